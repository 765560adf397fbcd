/// Weighted maximum likelihood: the form of the MaxEnt-GRPO seed project, November 2025, with the gradient it lacked.
///
///     L = mean over groups of -sum_i w_i s_i,    dL/ds_i = -w_i / groups
///
/// with s_i and w_i as in listwise.hpp. Every completion with weight is pushed up, also a bad one: nothing pushes down but
/// the softmax of the vocabulary. maxent_use_clip_objective adds coef x the clipped surrogate of maxent_clip.hpp.
/// Source: maxent-grpo at commit 8259911 (sums over tokens) and 01843f1 (maxent_length_normalize_policy). Upstream
/// scored the policy without gradients, so that form could not train.
#pragma once

#include "libgrpo/objective/maxent.hpp"

namespace grpo {

class WeightedMle final : public Maxent {
 public:
  using Maxent::Maxent;
  [[nodiscard]] bool needs_current_scores() const override { return true; }  // for the value of L; its gradient is w
  [[nodiscard]] Credit credit(const CreditInput& input) const override;
};

/// L by autograd. shape: [B,G], [B,G] -> scalar   grad: to sequence_log_probs
at::Tensor weighted_mle(const at::Tensor& sequence_log_probs, const at::Tensor& weights);

}  // namespace grpo
