#include "libgrpo/objective/xdr.hpp"

#include "libgrpo/base/check.hpp"
#include "libgrpo/objective/target_weights.hpp"
#include "libgrpo/tensor/precompiled.hpp"

#include <algorithm>
#include <cmath>
#include <set>

namespace grpo {
namespace {

ObjectiveOptions dr_grpo(ObjectiveOptions options) {
  options.loss_type = LossType::dr_grpo;
  options.scale_rewards = ScaleRewards::none;
  options.advantage_estimator = AdvantageEstimator::grpo;
  options.multi_objective_aggregation = MultiObjectiveAggregation::sum_then_normalize;
  return options;
}

}  // namespace

std::vector<double> xdr_weights(const std::vector<double>& utilities, double tau) {
  GRPO_CHECK(tau >= 0.0, "tau is not negative");
  auto f = tempered_softmax(utilities, tau);
  for (double& v : f) v *= static_cast<double>(utilities.size());
  return f;
}

Xdr::Xdr(const ObjectiveOptions& options, const MaxentOptions& maxent, const ObjectiveContext& context)
    : options_(dr_grpo(options)), maxent_(maxent), context_(context), grpo_(options_, context) {}

double Xdr::group_tau(const CreditInput& in, const std::vector<std::size_t>& members) const {
  if (!maxent_.maxent_xdr_mode_adaptive) return maxent_.maxent_tau;
  std::set<std::string> modes;
  double unknown = 0.0;
  for (const std::size_t i : members) {
    const Reward& first = in.rewards.columns.front().rewards[i];
    if (!first.has_value() || first.value() < 1.0) continue;
    const std::string mode = in.rewards.modes.empty() ? std::string() : in.rewards.modes[i];
    if (mode.empty()) unknown += 1.0;
    if (!mode.empty()) modes.insert(mode);
  }
  const double kappa = std::max(1.0, static_cast<double>(modes.size()) + unknown);
  return maxent_.maxent_tau / std::log1p(kappa);
}

Credit Xdr::credit(const CreditInput& in) const {
  Credit credit = grpo_.credit(in);
  credit.metrics["tau"] = maxent_.maxent_tau;
  if (std::isinf(maxent_.maxent_tau)) return credit;
  const auto rewards = total_rewards(in.rewards);
  double effective = 0.0, taus = 0.0, counted_groups = 0.0;
  for (const auto& members : groups_of_step(in, rewards, options_)) {
    if (members.empty()) continue;
    std::vector<double> utilities;
    for (const std::size_t i : members)
      utilities.push_back(credit.coefficients[i] * static_cast<double>(in.batch.length(static_cast<std::int64_t>(i))) /
                          static_cast<double>(context_.max_completion_length));
    const double tau = group_tau(in, members);
    auto f = xdr_weights(utilities, tau);
    for (std::size_t i = 0; i < members.size(); ++i) {
      credit.coefficients[members[i]] *= f[i];
      f[i] /= static_cast<double>(members.size());
    }
    effective += std::exp(entropy(f));
    taus += tau;
    counted_groups += 1.0;
  }
  credit.advantages = at_tokens(credit.coefficients, in.batch);
  if (!needs_reference() && !credit.entropy_weights.defined())  // a row of weight 0 has no term left
    for (std::size_t i = 0; i < credit.active.size(); ++i) credit.active[i] = credit.active[i] && credit.coefficients[i] != 0.0;
  if (counted_groups > 0.0) {
    credit.metrics["agg_eff_rollouts"] = effective / counted_groups;
    credit.metrics["xdr_adaptive_tau_mean"] = taus / counted_groups;
  }
  return credit;
}

}  // namespace grpo
