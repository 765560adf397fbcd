/// Clipped MaxEnt-GRPO: the target weights, less a baseline, are the advantages of a GRPO loss.
///
///     A_i = coef (w_i - b),  b = maxent_clip_adv_baseline, or 1 / group size
///
/// followed by the policy term and normaliser of loss_type with the clip range maxent_clip_range (or epsilon, epsilon_high).
/// Source: maxent-grpo, the clip objective of November 2025. Two differences: a bad completion is clipped as PPO clips it
/// (upstream took the maximum where the minimum belongs), and the ratio is to the policy that sampled, per token or GSPO's
/// mean (upstream took the product over the completion, to the reference).
#pragma once

#include "libgrpo/objective/maxent.hpp"

namespace grpo {

class MaxentClip final : public Maxent {
 public:
  using Maxent::Maxent;
  [[nodiscard]] Credit credit(const CreditInput& input) const override;
};

/// Adds the surrogate's advantages and normaliser to a credit.
void add_clipped(Credit& credit, const CreditInput& input, const Targets& targets, const ObjectiveOptions& options,
                 const MaxentOptions& maxent, const ObjectiveContext& context);

}  // namespace grpo
