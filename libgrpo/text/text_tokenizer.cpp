#include "libgrpo/text/text_tokenizer.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/base/utf8.hpp"

#include <algorithm>
#include <fmt/format.h>

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

std::shared_ptr<const TokenTable> with_added(const std::shared_ptr<const TokenTable>& vocabulary, const std::vector<AddedToken>& added) {
  std::vector<std::string> tokens = vocabulary->tokens();
  bool grew = false;
  for (const AddedToken& token : added) {
    const auto id = static_cast<std::size_t>(token.id);
    if (token.content.empty()) continue;
    if (id >= tokens.size()) tokens.resize(id + 1);
    if (!tokens[id].empty() && tokens[id] != token.content) {
      throw Error(ErrorKind::data, fmt::format("id {} belongs to both '{}' and '{}'", id, tokens[id], token.content));
    }
    grew = grew || tokens[id].empty();
    tokens[id] = token.content;
  }
  return grew ? std::make_shared<const TokenTable>(std::move(tokens)) : vocabulary;
}

}  // namespace

TextTokenizer::TextTokenizer(TokenizerSpec spec, MakeFiles make_files)
    : model_(std::move(spec.model)),
      added_(std::move(spec.added)),
      table_(with_added(spec.vocabulary, added_)),
      normalizer_(std::move(spec.normalizer)),
      pre_tokenizer_(std::move(spec.pre_tokenizer)),
      decoder_(std::move(spec.decoder)),
      before_normalizing_(make_finder(added_, false, normalizer_)),
      after_normalizing_(make_finder(added_, true, normalizer_)),
      special_(table_->tokens().size() + 1),
      make_files_(std::move(make_files)) {
  for (const AddedToken& token : added_) {
    if (token.content.empty()) continue;
    if (token.special) special_[index_of(token.id)] = true;
    if (token.normalized && !normalizer_.empty()) normalized_[token.id] = normalizer_.apply(token.content);
  }
  begins_.reserve(table_->tokens().size() + 1);
  begins_.push_back(0);
  for (std::size_t id = 0; id < table_->tokens().size(); ++id) {
    bytes_ += decoder_.inner_text(spelling_of(id));
    begins_.push_back(bytes_.size());
  }
  special_.back() = true;  // the ids behind the last token
  begins_.push_back(bytes_.size());
}

std::size_t TextTokenizer::index_of(std::int32_t id) const {
  if (id < 0) throw Error(ErrorKind::contract, fmt::format("token id {} is negative", id));
  return std::min(static_cast<std::size_t>(id), table_->tokens().size());
}

std::string_view TextTokenizer::bytes_of(std::int32_t id) const {
  const std::size_t index = index_of(id);
  return std::string_view(bytes_).substr(begins_[index], begins_[index + 1] - begins_[index]);
}

const std::string& TextTokenizer::spelling_of(std::size_t id) const {
  static const std::string kNothing;
  if (id >= table_->tokens().size()) return kNothing;
  const auto found = normalized_.empty() ? normalized_.end() : normalized_.find(static_cast<std::int32_t>(id));
  return found == normalized_.end() ? table_->tokens()[id] : found->second;
}

TokenFlow TextTokenizer::flow(std::int32_t id) const { return decoder_.flow(spelling_of(index_of(id))); }

std::string TextTokenizer::decode(std::span<const std::int32_t> ids, bool skip_special) const {
  const auto is_left_out = [&](std::int32_t id) {
    const std::size_t index = index_of(id);
    return (skip_special && special_[index]) || index == table_->tokens().size() || table_->tokens()[index].empty();
  };
  if (decoder_.is_byte_level()) {
    std::string bytes;
    for (const std::int32_t id : ids) {
      if (!is_left_out(id)) bytes += bytes_of(id);
    }
    return is_utf8(bytes) ? bytes : replace_invalid_utf8(bytes);
  }
  std::vector<std::string> tokens;
  tokens.reserve(ids.size());
  for (const std::int32_t id : ids) {
    if (!is_left_out(id)) tokens.push_back(spelling_of(static_cast<std::size_t>(id)));
  }
  return decoder_.decode(std::move(tokens));
}

std::vector<std::int32_t> TextTokenizer::encode(std::string_view text) const {
  if (text.size() > kMaxTextBytes) {
    throw Error(ErrorKind::contract,
                fmt::format("text of {} bytes is too long to encode at once: at most {}; cut it first", text.size(), kMaxTextBytes));
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
    const bool first = part.text.data() == text.data();
    if (normalizer_.empty() && after_normalizing_.empty()) {
      encode_part(part.text, first, ids);
      continue;
    }
    const std::string normalized = normalizer_.empty() ? std::string() : normalizer_.apply(part.text);
    const std::string_view whole = normalizer_.empty() ? part.text : std::string_view(normalized);
    inner.clear();
    after_normalizing_.split(whole, inner);
    for (const auto& piece : inner) {
      if (piece.id >= 0) {
        ids.push_back(piece.id);
      } else {
        encode_part(piece.text, first && piece.text.data() == whole.data(), ids);
      }
    }
  }
  return ids;
}

void TextTokenizer::encode_part(std::string_view text, bool first, std::vector<std::int32_t>& ids) const {
  if (pre_tokenizer_.size() == 0) {
    model_->encode(text, ids);
    return;
  }
  thread_local PreTokenizer::Output output;
  pre_tokenizer_.cut(text, first, output);
  for (const PreTokenizer::Piece& piece : output.pieces) model_->encode(piece.text, ids);
}

}  // namespace grpo
