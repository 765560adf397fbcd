/// Listwise MaxEnt-GRPO: the policy's own distribution over a group is pulled to the target weights.
///
///     s_i = log pi(completion i)  (divided by T_i with maxent_length_normalize_policy)
///     p   = softmax(s) over the group
///     L   = mean over groups of -sum_i w_i log p_i,     dL/ds_i = (p_i - w_i) / groups, the groups that take part
///
/// w are the target weights of target_weights.hpp. At the fixed point p = w, so completions with equal rewards end with equal
/// probability: right answers that are rarely sampled are pushed up more than those that are sampled often, where a policy
/// gradient does the opposite. The gradient is used in closed form, from the policy's log-probs before the update; so a
/// group may be split over parts and costs one forward and backward pass, like GRPO.
///
/// maxent_use_clip_objective adds coef x the clipped surrogate of maxent_clip.hpp.
/// Source: maxent-grpo, April 2026, objective maxent_listwise; the loss is ListNet's (Cao et al. 2007, section 4.2).
/// Not here: a trust region of the policy (beta tilts the weights only; the KL to the reference is measured).
#pragma once

#include "libgrpo/objective/maxent.hpp"

namespace grpo {

class Listwise : public Maxent {
 public:
  using Maxent::Maxent;
  [[nodiscard]] bool needs_current_scores() const override { return true; }
  [[nodiscard]] Credit credit(const CreditInput& input) const override;

 protected:
  /// Adds share x the sum over groups of -sum_i w_i log p_i to a credit.
  void add_cross_entropy(Credit& credit, const CreditInput& input, const Targets& targets, double share) const;
};

/// L by autograd, for a loop of one's own. shape: [B,G], [B,G] -> scalar   grad: to sequence_log_probs
/// Members with weight 0 count in p; leave completions that take no part out of the group.
at::Tensor listwise_cross_entropy(const at::Tensor& sequence_log_probs, const at::Tensor& weights);

}  // namespace grpo
