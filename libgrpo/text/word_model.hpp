/// Models that look words up: WordPiece (longest match first, as in BERT) and WordLevel (a word is a token or unknown).
#pragma once

#include "libgrpo/text/piece_model.hpp"
#include "libgrpo/text/token_table.hpp"

#include <memory>
#include <string>

namespace grpo {

/// Immutable after construction. thread: encode() may be called from many threads at once.
class WordPieceModel final : public PieceModel {
 public:
  struct Options {
    std::string prefix = "##";         ///< of tokens that go on with a word
    std::int32_t unknown_id = -1;      ///< for words that cannot be written as tokens
    std::size_t max_characters = 100;  ///< longer words are unknown
  };
  WordPieceModel(std::shared_ptr<const TokenTable> table, Options options);
  /// throws: Error{data} for an unknown word if there is no unknown token. cost: O(n L^2), L = bytes of the longest
  /// token
  void encode(std::string_view piece, std::vector<std::int32_t>& out) const override;

 private:
  std::shared_ptr<const TokenTable> table_;
  Options options_;
  std::size_t longest_ = 0;  // bytes of a token: longer parts need not be tried
};

/// Immutable after construction. thread: encode() may be called from many threads at once.
class WordLevelModel final : public PieceModel {
 public:
  WordLevelModel(std::shared_ptr<const TokenTable> table, std::int32_t unknown_id);
  /// throws: Error{data} for an unknown word if there is no unknown token
  void encode(std::string_view piece, std::vector<std::int32_t>& out) const override;

 private:
  std::shared_ptr<const TokenTable> table_;
  std::int32_t unknown_id_;
};

}  // namespace grpo
