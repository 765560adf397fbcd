#include "libgrpo/text/byte_level_bpe.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/base/utf8.hpp"

#include <fmt/format.h>
#include <deque>

namespace grpo {
namespace {

constexpr std::size_t kMaxTextBytes = std::size_t{1} << 30;

AddedTokenFinder make_finder(const std::vector<AddedToken>& added, bool normalized, const Normalizer& normalizer) {
  std::vector<AddedToken> chosen;
  for (const AddedToken& token : added) {
    if (token.normalized != normalized) continue;
    chosen.push_back(token);
    if (normalized) chosen.back().content = normalizer.apply(token.content);
  }
  return AddedTokenFinder(std::move(chosen));
}

}  // namespace

ByteLevelBpe::ByteLevelBpe(BpeSpec spec, MakeFiles make_files)
    : table_(std::move(spec.tokens)),
      model_(table_, spec.merges, spec.options),
      added_(std::move(spec.added)),
      normalizer_(std::move(spec.normalizer)),
      steps_(std::move(spec.steps)),
      before_normalizing_(make_finder(added_, false, normalizer_)),
      after_normalizing_(make_finder(added_, true, normalizer_)),
      special_(table_.tokens().size()),
      make_files_(std::move(make_files)) {
  for (const AddedToken& token : added_) {
    if (token.special) special_[index_of(token.id)] = true;
  }
  begins_.reserve(table_.tokens().size() + 1);
  begins_.push_back(0);
  for (const std::string& token : table_.tokens()) {
    bytes_ += byte_level_decode(token);
    begins_.push_back(bytes_.size());
  }
}

std::size_t ByteLevelBpe::index_of(std::int32_t id) const {
  if (id < 0 || static_cast<std::size_t>(id) >= table_.tokens().size()) {
    throw Error(ErrorKind::contract,
                fmt::format("token id {} is outside the vocabulary of {} tokens", id, vocab_size()));
  }
  return static_cast<std::size_t>(id);
}

std::string_view ByteLevelBpe::bytes_of(std::int32_t id) const {
  const std::size_t index = index_of(id);
  return std::string_view(bytes_).substr(begins_[index], begins_[index + 1] - begins_[index]);
}

std::string ByteLevelBpe::token_bytes(std::int32_t id) const { return std::string(bytes_of(id)); }

std::string ByteLevelBpe::decode(std::span<const std::int32_t> ids, bool skip_special) const {
  std::string bytes;
  for (const std::int32_t id : ids) {
    const std::string_view token = bytes_of(id);
    if (!skip_special || !special_[static_cast<std::size_t>(id)]) bytes += token;
  }
  return is_utf8(bytes) ? bytes : replace_invalid_utf8(bytes);
}

std::vector<std::int32_t> ByteLevelBpe::encode(std::string_view text) const {
  if (text.size() > kMaxTextBytes) {
    throw Error(ErrorKind::contract,
                fmt::format("text of {} bytes is too long to encode at once: at most {}; cut it first", text.size(),
                            kMaxTextBytes));
  }
  std::string repaired;
  if (!is_utf8(text)) {
    repaired = replace_invalid_utf8(text);
    text = repaired;
  }
  std::vector<std::int32_t> ids;
  ids.reserve(text.size() / 3 + 1);
  std::vector<AddedTokenFinder::Part> parts;
  std::vector<AddedTokenFinder::Part> inner;
  before_normalizing_.split(text, parts);
  for (const auto& part : parts) {
    if (part.id >= 0) {
      ids.push_back(part.id);
      continue;
    }
    const std::string normalized = normalizer_.empty() ? std::string() : normalizer_.apply(part.text);
    inner.clear();
    after_normalizing_.split(normalizer_.empty() ? part.text : std::string_view(normalized), inner);
    for (const auto& piece : inner) {
      if (piece.id >= 0) {
        ids.push_back(piece.id);
      } else {
        encode_plain(piece.text, ids);
      }
    }
  }
  return ids;
}

void ByteLevelBpe::encode_plain(std::string_view text, std::vector<std::int32_t>& ids) const {
  std::vector<std::string_view> pieces{text};
  std::vector<std::string_view> cut;
  std::deque<std::string> prefixed;  // owns pieces that got a space in front
  for (const SplitStep& step : steps_) {
    cut.clear();
    for (std::string_view piece : pieces) {
      if (step.add_prefix_space && !piece.starts_with(' ')) piece = prefixed.emplace_back(" ").append(piece);
      if (step.pattern.empty()) {
        cut.push_back(piece);
      } else {
        step.pattern.front().split(piece, step.behavior, step.invert, cut);
      }
    }
    pieces.swap(cut);
  }
  for (const std::string_view piece : pieces) model_.encode(piece, table_, ids);
}

}  // namespace grpo
