/// The unigram language model of SentencePiece: one piece of text -> ids.
///
/// Algorithm (Kudo 2018, section 3.2): of all ways to write the piece as tokens, the one with the highest sum of scores
/// (log-probabilities), by Viterbi. A character that no token covers costs the lowest score less 10; of equal sums the
/// one found first counts; neighbouring unknown characters give one unknown token, or the tokens of their bytes. All as
/// in the `tokenizers` package. No sampling (alpha, nbest).
#pragma once

#include "libgrpo/text/piece_model.hpp"
#include "libgrpo/text/token_table.hpp"

#include <array>
#include <memory>
#include <vector>

namespace grpo {

/// Immutable after construction. thread: encode() may be called from many threads at once.
class UnigramModel final : public PieceModel {
 public:
  /// scores[id] belongs to token id. unknown_id -1: there is none.
  /// throws: Error{data} if there are no tokens but an unknown_id, a score is not finite,
  /// or a token is longer than 1 KiB
  UnigramModel(std::shared_ptr<const TokenTable> table, std::vector<double> scores, std::int32_t unknown_id, bool byte_fallback);

  /// cost: O(n * length of the longest token). throws: Error{data} for an unknown character if there is no unknown_id
  void encode(std::string_view piece, std::vector<std::int32_t>& out) const override;

  [[nodiscard]] const std::vector<double>& scores() const noexcept { return scores_; }

 private:
  struct Node {
    std::uint32_t first = 0;  // children are neighbours, ordered by byte
    std::uint16_t count = 0;
    unsigned char byte = 0;
    std::int32_t token = -1;
  };
  void build_trie();
  [[nodiscard]] const Node* child_of(const Node& node, unsigned char byte) const noexcept;
  void push_text(std::string_view text, std::vector<std::int32_t>& out) const;
  [[noreturn]] void refuse_unknown(std::string_view text) const;

  std::shared_ptr<const TokenTable> table_;
  std::vector<double> scores_;
  double unknown_score_ = 0;
  std::int32_t unknown_id_;
  bool byte_fallback_;
  std::vector<Node> nodes_;  // the root is the first
  std::array<std::int32_t, 256> roots_{};
};

}  // namespace grpo
