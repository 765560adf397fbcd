#include "libgrpo/objective/grpo.hpp"

#include "libgrpo/base/check.hpp"
#include "libgrpo/tensor/completion_sums.hpp"
#include "libgrpo/tensor/precompiled.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace grpo {
namespace {

std::optional<EntropyControl> entropy_control(const ObjectiveOptions& o) {
  if (!o.use_adaptive_entropy) return std::nullopt;
  return EntropyControl{o.entropy_target, o.entropy_coef_delta, o.entropy_coef_min, o.entropy_coef_max};
}

/// r_i -= beta sum_t kl_t, where the KL is part of the reward.
void subtract_kl(std::vector<double>& rewards, const CreditInput& in, KlEstimator estimator, double beta) {
  GRPO_CHECK(in.ref_log_probs.defined() && in.old_log_probs.defined(), "a KL in the reward needs old and reference log-probs");
  const auto kl = kl_estimate(estimator, in.old_log_probs, in.ref_log_probs).to(at::kDouble);
  const auto sums = completion_sums(kl, in.batch.completion_of(), in.batch.num_completions());
  for (std::size_t i = 0; i < rewards.size(); ++i) rewards[i] -= beta * sums.const_data_ptr<double>()[i];
}

}  // namespace

KlController make_kl_controller(const ObjectiveOptions& o) {
  if (!o.controls_beta()) return KlController(o.beta);
  return KlController(o.beta, KlControl{o.kl_target, o.kl_horizon, o.kl_ctl_step_size});
}

std::map<std::string, double> reward_metrics(const std::vector<double>& rewards, const std::vector<double>& group_std,
                                             const CreditInput& input) {
  double sum = 0.0, squares = 0.0, count = 0.0, groups = 0.0, without_signal = 0.0;
  std::int64_t last_group = -1;
  for (std::size_t i = 0; i < rewards.size(); ++i) {
    if (!input.trains(i)) continue;
    if (const auto group = input.batch.group_of()[i]; group != last_group) {
      last_group = group;
      groups += 1.0;
      without_signal += group_std[static_cast<std::size_t>(group)] == 0.0 ? 1.0 : 0.0;
    }
    if (std::isnan(rewards[i])) continue;
    sum += rewards[i];
    count += 1.0;
  }
  const double mean = count > 0.0 ? sum / count : 0.0;
  for (std::size_t i = 0; i < rewards.size(); ++i)
    if (input.trains(i) && !std::isnan(rewards[i])) squares += (rewards[i] - mean) * (rewards[i] - mean);
  return {{"reward", mean},
          {"reward_std", count > 1.0 ? std::sqrt(squares / (count - 1.0)) : 0.0},
          {"frac_reward_zero_std", without_signal / std::max(groups, 1.0)}};
}

Grpo::Grpo(const ObjectiveOptions& options, const ObjectiveContext& context)
    : options_(options),
      context_(context),
      token_loss_(options),
      kl_(make_kl_controller(options)),
      entropy_(options.entropy_coef, entropy_control(options)) {}

Advantages Grpo::advantages(const CreditInput& in) const {
  if (options_.multi_objective_aggregation == MultiObjectiveAggregation::normalize_then_sum)
    return normalize_then_sum(in.rewards, in.batch.group_of());
  auto rewards = total_rewards(in.rewards);
  GRPO_CHECK_EQ(static_cast<std::int64_t>(rewards.size()), in.batch.num_completions(), "one reward per completion");
  if (options_.kl_in_reward && kl_.beta() > 0.0) subtract_kl(rewards, in, options_.kl_estimator, kl_.beta());
  return estimate_advantages(rewards, in.batch.group_of(), options_);
}

/// Tokens that count and whose entropy is at or above the (1 - rho) quantile of those that count. shape: [T] bool
at::Tensor Grpo::most_uncertain(const CreditInput& in, const at::Tensor& counts) const {
  GRPO_CHECK(in.entropies.defined(), "top_entropy_quantile needs the entropies of the policy");
  const auto candidates = in.entropies.masked_select(counts).to(at::kDouble);
  if (candidates.numel() == 0) return counts;
  const double rank = (1.0 - options_.top_entropy_quantile) * static_cast<double>(candidates.numel() - 1);
  const auto sorted = std::get<0>(candidates.sort());
  const auto at = [&](double i) { return sorted[static_cast<std::int64_t>(i)].item<double>(); };
  const double below = at(std::floor(rank)), above = at(std::ceil(rank));
  const double threshold = below + (above - below) * (rank - std::floor(rank));
  return in.entropies.to(at::kDouble).ge(threshold).logical_and(counts);
}

Credit Grpo::credit(const CreditInput& in) const {
  const Advantages a = advantages(in);
  const Counted count = counted(in, a.group_std, options_);
  Credit credit;
  credit.coefficients = a.values;
  credit.advantages = at_tokens(a.values, in.batch);
  credit.token_weights = token_weights(options_.loss_type, in, count, context_.max_completion_length);
  const double bonus = entropy_.active();
  const auto counts = credit.token_weights.gt(0);
  if (options_.top_entropy_quantile < 1.0) credit.policy_mask = most_uncertain(in, counts);
  if (bonus != 0.0) {
    const auto tokens = (credit.policy_mask.defined() ? credit.policy_mask : counts).to(at::kFloat);
    credit.entropy_weights = tokens * (bonus / std::max(tokens.sum().item<double>(), 1.0));
  }
  for (std::size_t i = 0; i < a.values.size(); ++i)
    credit.active.push_back(count.tokens[i] && in.trains(i) && (a.values[i] != 0.0 || loss_beta() > 0.0 || bonus != 0.0));
  credit.metrics = reward_metrics(total_rewards(in.rewards), a.group_std, in);
  if (options_.controls_beta()) credit.metrics["beta"] = kl_.beta();
  if (options_.use_adaptive_entropy) credit.metrics["entropy_coef"] = entropy_.coefficient();
  return credit;
}

Loss Grpo::loss(const LossInput& in) const { return token_loss_(in, loss_beta()); }

void Grpo::observe(const std::map<std::string, double>& metrics) {
  if (const auto kl = metrics.find("kl"); kl != metrics.end()) kl_.observe(kl->second);
  if (const auto entropy = metrics.find("entropy"); entropy != metrics.end()) entropy_.observe(entropy->second);
}

std::string Grpo::state() const {
  nlohmann::ordered_json json = {{"beta", kl_.beta()}, {"entropy_coef", entropy_.coefficient()}};
  if (entropy_.last_entropy()) json["last_entropy"] = *entropy_.last_entropy();
  return json.dump();
}

void Grpo::restore(const std::string& state) {
  const auto json = nlohmann::json::parse(state);
  if (options_.controls_beta()) kl_.set_beta(json.value("beta", kl_.beta()));
  if (!options_.use_adaptive_entropy) return;
  entropy_.set(json.value("entropy_coef", entropy_.coefficient()),
               json.contains("last_entropy") ? std::optional<double>(json["last_entropy"].get<double>()) : std::nullopt);
}

}  // namespace grpo
