#include "libgrpo/objective/grpo.hpp"

#include "libgrpo/base/check.hpp"
#include "libgrpo/objective/advantages.hpp"
#include "libgrpo/tensor/kl.hpp"
#include "libgrpo/tensor/precompiled.hpp"

#include <cmath>

namespace grpo {
namespace {

constexpr double kLogRatioCap = 20.0;  // exp stays finite; a ratio of e^20 is clipped by epsilon long before

/// w_t of the loss type. shape: [T] f32
at::Tensor normaliser(const Batch& batch, LossType type) {
  if (type == LossType::dapo)
    return at::full({batch.num_tokens()}, 1.0 / static_cast<double>(std::max<std::int64_t>(batch.num_tokens(), 1)), at::kFloat);
  auto per_completion = at::empty({batch.num_completions()}, at::kFloat);
  auto* weight = per_completion.mutable_data_ptr<float>();
  const auto completions = static_cast<double>(batch.num_completions());
  for (std::int64_t i = 0; i < batch.num_completions(); ++i)
    weight[i] = static_cast<float>(1.0 / (completions * static_cast<double>(batch.length(i))));
  return per_completion.index_select(0, batch.completion_of());
}

double mean_of_valid(const std::vector<double>& values) {
  double sum = 0.0;
  std::size_t count = 0;
  for (const double v : values) {
    if (std::isnan(v)) continue;
    sum += v;
    ++count;
  }
  return count == 0 ? 0.0 : sum / static_cast<double>(count);
}

}  // namespace

Credit Grpo::credit(const RewardTable& rewards, const Batch& batch, const at::Tensor& /*ref_log_probs*/) const {
  const auto totals = total_rewards(rewards);
  GRPO_CHECK_EQ(static_cast<std::int64_t>(totals.size()), batch.num_completions(), "one reward per completion");
  const Advantages advantages = group_advantages(totals, batch.group_of(), options_.scale_rewards);
  Credit credit;
  credit.coefficients = advantages.values;
  for (const double a : advantages.values) credit.active.push_back(a != 0.0 || options_.beta > 0.0);
  credit.token_weights = normaliser(batch, options_.loss_type);
  double without_signal = 0.0;
  for (const double s : advantages.group_std) without_signal += s == 0.0 ? 1.0 : 0.0;
  credit.metrics = {{"reward", mean_of_valid(totals)},
                    {"reward_std", advantages.batch_std},
                    {"frac_reward_zero_std", without_signal / static_cast<double>(std::max<std::int64_t>(batch.num_groups(), 1))}};
  return credit;
}

Loss Grpo::loss(const LossInput& in) const {
  const double low = 1.0 - options_.epsilon, high = 1.0 + options_.epsilon_high.value_or(options_.epsilon);
  const auto ratio = (in.scores.log_probs - in.old_log_probs).clamp(-kLogRatioCap, kLogRatioCap).exp();
  auto per_token = -at::minimum(ratio * in.coefficients, ratio.clamp(low, high) * in.coefficients);
  Loss result;
  const auto tokens = static_cast<double>(in.coefficients.numel());
  if (options_.beta > 0.0) {
    const auto kl = kl_k3(in.scores.log_probs, in.ref_log_probs);
    per_token = per_token + options_.beta * (options_.use_bias_correction_kl ? ratio * kl : kl);
    result.meters.add("kl", kl.detach().sum().item<double>(), tokens);
  }
  result.total = (per_token * in.token_weights).sum();
  const at::NoGradGuard no_grad;
  const auto clipped_low = ratio.lt(low).logical_and(in.coefficients.lt(0)).sum().item<double>();
  const auto clipped_high = ratio.gt(high).logical_and(in.coefficients.gt(0)).sum().item<double>();
  result.meters.add("clip_ratio/low_mean", clipped_low, tokens);
  result.meters.add("clip_ratio/high_mean", clipped_high, tokens);
  result.meters.add("clip_ratio/region_mean", clipped_low + clipped_high, tokens);
  return result;
}

}  // namespace grpo
