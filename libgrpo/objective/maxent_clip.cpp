#include "libgrpo/objective/maxent_clip.hpp"

#include "libgrpo/objective/normaliser.hpp"
#include "libgrpo/tensor/precompiled.hpp"

namespace grpo {

Credit MaxentClip::credit(const CreditInput& in) const {
  const Targets target = targets(in);
  Credit credit = start(in, target);
  add_clipped(credit, in, target, options_, maxent_, context_);
  return credit;
}

void add_clipped(Credit& credit, const CreditInput& in, const Targets& targets, const ObjectiveOptions& options,
                 const MaxentOptions& maxent, const ObjectiveContext& context) {
  std::vector<double> advantages(targets.weights.size(), 0.0);
  for (const auto& [members, w] : targets.groups) {
    const double baseline = maxent.maxent_clip_adv_baseline.value_or(1.0 / static_cast<double>(members.size()));
    for (std::size_t i = 0; i < members.size(); ++i) advantages[members[i]] = maxent.maxent_clip_objective_coef * (w[i] - baseline);
  }
  const Counted count{credit.active, credit.active};  // groups that take no part are not in the mean either
  credit.advantages = at_tokens(advantages, in.batch);
  credit.token_weights = token_weights(options.loss_type, in, count, context.max_completion_length);
}

}  // namespace grpo
