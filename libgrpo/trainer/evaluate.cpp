#include "libgrpo/trainer/evaluate.hpp"

#include "libgrpo/base/check.hpp"
#include "libgrpo/objective/advantages.hpp"
#include "libgrpo/trainer/dealt.hpp"
#include "libgrpo/trainer/group_metrics.hpp"

#include <cmath>

namespace grpo {

Evaluation evaluate(const std::vector<Prompt>& prompts, Sampler& sampler, const RewardSet& rewards, const SamplingParams& params) {
  return evaluate(*make_solo_world(), prompts, sampler, rewards, params);
}

Evaluation evaluate(World& world, const std::vector<Prompt>& prompts, Sampler& sampler, const RewardSet& rewards, const SamplingParams& params) {
  Evaluation result;
  Phases phases;
  ScoredGroups scored = sample_and_score(world, sampler, rewards, prompts, params, phases);
  result.groups = std::move(scored.groups);
  result.rewards = std::move(scored.rewards);
  for (const auto& [name, value] : group_metrics(result.groups, result.rewards)) result.metrics["eval_" + name] = value;
  double sum = 0.0, count = 0.0;
  for (const double r : total_rewards(result.rewards)) {
    if (std::isnan(r)) continue;
    sum += r;
    count += 1.0;
  }
  if (count > 0.0) result.metrics["eval_reward"] = sum / count;
  return result;
}

double pass_at_k(std::int64_t n, std::int64_t c, std::int64_t k) {
  GRPO_CHECK(1 <= k && k <= n && 0 <= c && c <= n, "pass@k needs 1 <= k <= n and 0 <= c <= n");
  double miss = 1.0;
  for (std::int64_t i = n - c + 1; i <= n; ++i) miss *= 1.0 - static_cast<double>(k) / static_cast<double>(i);
  return n - c < k ? 1.0 : 1.0 - miss;
}

}  // namespace grpo
