#include "libgrpo/objective/listwise.hpp"

#include "libgrpo/objective/maxent_clip.hpp"
#include "libgrpo/objective/target_weights.hpp"
#include "libgrpo/tensor/precompiled.hpp"

#include <algorithm>
#include <cmath>

namespace grpo {

Credit Listwise::credit(const CreditInput& in) const {
  const Targets target = targets(in);
  Credit credit = start(in, target);
  add_cross_entropy(credit, in, target, 1.0 / std::max(static_cast<double>(target.groups.size()), 1.0));
  if (maxent_.maxent_use_clip_objective) add_clipped(credit, in, target, options_, maxent_, context_);
  return credit;
}

void Listwise::add_cross_entropy(Credit& credit, const CreditInput& in, const Targets& target, double share) const {
  const auto s = sequence_log_probs(in);
  std::vector<double> gradient(s.size(), 0.0);
  double value = 0.0;
  for (const auto& [members, w] : target.groups) {
    std::vector<double> own;
    for (const std::size_t i : members) own.push_back(s[i]);
    const auto p = softmax(own);
    const double top = *std::max_element(own.begin(), own.end());
    double sum = 0.0;
    for (const double v : own) sum += std::exp(v - top);
    const double log_sum = top + std::log(sum);
    for (std::size_t i = 0; i < members.size(); ++i) {
      gradient[members[i]] = share * (p[i] - w[i]);
      if (w[i] > 0.0) value -= share * w[i] * (own[i] - log_sum);
    }
  }
  add_linear(credit, in, gradient, value);
}

at::Tensor listwise_cross_entropy(const at::Tensor& sequence_log_probs, const at::Tensor& weights) {
  return -(weights * at::log_softmax(sequence_log_probs, -1)).sum(-1).mean();
}

}  // namespace grpo
