#include "libgrpo/objective/weighted_mle.hpp"

#include "libgrpo/objective/maxent_clip.hpp"
#include "libgrpo/tensor/precompiled.hpp"

namespace grpo {

Credit WeightedMle::credit(const CreditInput& in) const {
  const Targets target = targets(in);
  Credit credit = start(in, target);
  const auto s = sequence_log_probs(in);
  const double share = 1.0 / std::max(static_cast<double>(target.groups.size()), 1.0);
  std::vector<double> gradient(s.size(), 0.0);
  double value = 0.0;
  for (const auto& [members, w] : target.groups)
    for (std::size_t i = 0; i < members.size(); ++i) {
      gradient[members[i]] = -share * w[i];
      value -= share * w[i] * s[members[i]];
    }
  add_linear(credit, in, gradient, value);
  if (maxent_.maxent_use_clip_objective) add_clipped(credit, in, target, options_, maxent_, context_);
  return credit;
}

at::Tensor weighted_mle(const at::Tensor& sequence_log_probs, const at::Tensor& weights) {
  return -(weights * sequence_log_probs).sum(-1).mean();
}

}  // namespace grpo
