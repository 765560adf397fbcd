/// The completions of one step as packed tensors: each shared beginning once, no padding.
///
/// A Batch numbers all completions (0..N-1, groups one after the other) and all completion tokens (0..T-1, completions one
/// after the other). Parts are what a policy scores: at most `token_budget` packed rows each, with the tokens they hold
/// named by their number, so results of parts scatter back into [T] tensors whatever the split.
#pragma once

#include "libgrpo/tensor/segments.hpp"
#include "libgrpo/types/group.hpp"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace grpo {

/// One packed forward pass. L packed rows, T scored completion tokens.
struct Part {
  at::Tensor ids;                    ///< [L] i64, what the model reads (a completion's last token predicts nothing and is left out)
  at::Tensor positions;              ///< [L] i64, position of each row in its own text
  SegmentTree tree;                  ///< who sees whom
  at::Tensor source;                 ///< [T] i64, the row whose hidden state predicts the token
  at::Tensor targets;                ///< [T] i64, the token
  at::Tensor tokens;                 ///< [T] i64, the token's number in the Batch
  at::Tensor completion;             ///< [T] i64, whose token it is, completions of the part counted from 0, in order
  std::int64_t num_completions = 0;  ///< of this part, each of them whole
};

class Batch {
 public:
  /// Copies ids and log-probs out of the groups. throws: Error{contract} on an empty prompt or completion,
  /// or if ids and log-probs differ in number
  explicit Batch(const std::vector<Group>& groups);

  [[nodiscard]] std::int64_t num_groups() const { return static_cast<std::int64_t>(prompts_.size()); }
  [[nodiscard]] std::int64_t num_completions() const { return static_cast<std::int64_t>(group_of_.size()); }
  [[nodiscard]] std::int64_t num_tokens() const { return first_token_.back(); }
  /// Group of each completion. shape: [N]
  [[nodiscard]] const std::vector<std::int64_t>& group_of() const { return group_of_; }
  [[nodiscard]] std::int64_t length(std::int64_t completion) const;
  [[nodiscard]] std::int64_t prompt_length(std::int64_t group) const {
    return static_cast<std::int64_t>(prompts_[static_cast<std::size_t>(group)].size());
  }
  /// Completion of each token. shape: [T] i64
  [[nodiscard]] const at::Tensor& completion_of() const { return completion_of_; }
  /// Whether each completion ended at the token limit, not by itself. shape: [N]
  [[nodiscard]] const std::vector<bool>& truncated() const { return truncated_; }
  /// As the sampler reported them. shape: [T] f32, nats
  [[nodiscard]] const at::Tensor& sampler_log_probs() const { return sampler_log_probs_; }
  /// Likewise; undefined if a completion came without. shape: [T] f32, nats
  [[nodiscard]] const at::Tensor& sampler_entropies() const { return sampler_entropies_; }
  /// First token of each completion, and T behind the last. shape: [N+1]
  [[nodiscard]] const std::vector<std::int64_t>& first_token() const { return first_token_; }

  /// Packs the completions with active[i] (empty = all) into parts of at most `token_budget` rows; a completion that alone
  /// exceeds the budget gets a part of its own. Completions of one group stay together as far as the budget allows; a prompt
  /// shared by two parts is computed in both. throws: Error{contract} if active has another size than N or budget < 1
  [[nodiscard]] std::vector<Part> parts(std::int64_t token_budget, const std::vector<bool>& active = {}) const;

 private:
  struct Run {  ///< completions [first, last) of one group, in one part
    std::int64_t group;
    std::vector<std::int64_t> completions;
  };
  [[nodiscard]] Part pack(const std::vector<Run>& runs) const;

  std::vector<std::vector<std::int32_t>> prompts_;      // [B]
  std::vector<std::vector<std::int32_t>> completions_;  // [N]
  std::vector<std::int64_t> group_of_;                  // [N]
  std::vector<std::int64_t> first_token_;               // [N+1]
  std::vector<bool> truncated_;                         // [N]
  at::Tensor completion_of_, sampler_log_probs_, sampler_entropies_;
};

/// Packs prompts alone, for prefill: their common beginning once, then each prompt's own rest (at least one token).
/// last_row[i] is the row that predicts what follows prompt i; leaf[i] is its segment.
struct PackedPrompts {
  at::Tensor ids, positions;
  SegmentTree tree;
  std::vector<std::int64_t> leaf, last_row;
};
PackedPrompts pack_prompts(const std::vector<std::vector<std::int32_t>>& prompts);

}  // namespace grpo
