#include "libgrpo/text/word_model.hpp"

#include "libgrpo/base/error.hpp"

#include <fmt/format.h>
#include <algorithm>

namespace grpo {
namespace {

bool begins_character(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) != 0x80; }

std::int32_t known(std::int32_t unknown_id, std::string_view word) {
  if (unknown_id >= 0) return unknown_id;
  throw Error(ErrorKind::data, fmt::format("word '{}' is not in the vocabulary, and the model's unk_token is not either", word));
}

}  // namespace

WordPieceModel::WordPieceModel(std::shared_ptr<const TokenTable> table, Options options)
    : table_(std::move(table)), options_(std::move(options)) {
  for (const std::string& token : table_->tokens()) longest_ = std::max(longest_, token.size());
}

void WordPieceModel::encode(std::string_view piece, std::vector<std::int32_t>& out) const {
  const auto characters = static_cast<std::size_t>(std::count_if(piece.begin(), piece.end(), begins_character));
  if (characters > options_.max_characters) {
    out.push_back(known(options_.unknown_id, piece));
    return;
  }
  const std::size_t before = out.size();
  std::string candidate;
  for (std::size_t begin = 0; begin < piece.size();) {
    candidate.assign(begin > 0 ? options_.prefix : "");
    const std::size_t head = candidate.size();
    std::size_t end = std::min(piece.size(), begin + longest_);
    while (end < piece.size() && !begins_character(piece[end])) ++end;
    candidate.append(piece.substr(begin, end - begin));
    std::int32_t id = -1;
    while (candidate.size() > head && (id = table_->find(candidate)) < 0) {
      while (!begins_character(candidate.back())) candidate.pop_back();
      candidate.pop_back();
    }
    if (id < 0) {  // one part that cannot be written makes the whole word unknown
      out.resize(before);
      out.push_back(known(options_.unknown_id, piece));
      return;
    }
    out.push_back(id);
    begin += candidate.size() - head;
  }
}

WordLevelModel::WordLevelModel(std::shared_ptr<const TokenTable> table, std::int32_t unknown_id)
    : table_(std::move(table)), unknown_id_(unknown_id) {}

void WordLevelModel::encode(std::string_view piece, std::vector<std::int32_t>& out) const {
  const std::int32_t id = table_->find(piece);
  out.push_back(id >= 0 ? id : known(unknown_id_, piece));
}

}  // namespace grpo
