#include "libgrpo/trainer/evaluate.hpp"

#include "libgrpo/eval/statistics.hpp"
#include "libgrpo/objective/advantages.hpp"
#include "libgrpo/trainer/dealt.hpp"
#include "libgrpo/trainer/group_metrics.hpp"

#include <cmath>

namespace grpo {
namespace {

/// Figures that speak of right answers; lengths and rewards are told already, under TRL's names.
void add_figures(Evaluation& e, const SamplingParams& params) {
  std::vector<AnsweredQuestion> questions;
  std::size_t first = 0;
  for (const Group& group : e.groups) {
    questions.push_back(answered(questions.size(), group, e.rewards, first));
    first += group.completions.size();
  }
  const EvalShape shape{params.num_generations, {params.num_generations}};
  for (const auto& [name, estimate] : eval_statistics(questions, {}, shape, {.seed = params.seed})) {
    if (name == "tokens" || name == "cut" || name == "failed") continue;
    e.metrics["eval_" + name] = estimate.mean;
    e.metrics["eval_" + name + "/low"] = estimate.low;
    e.metrics["eval_" + name + "/high"] = estimate.high;
  }
}

}  // namespace

Evaluation evaluate(const std::vector<Prompt>& prompts, Sampler& sampler, const RewardSet& rewards, const SamplingParams& params) {
  return evaluate(*make_solo_world(), prompts, sampler, rewards, params);
}

Evaluation evaluate(World& world, const std::vector<Prompt>& prompts, Sampler& sampler, const RewardSet& rewards,
                    const SamplingParams& params) {
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
  if (!result.rewards.columns.empty()) add_figures(result, params);
  return result;
}

}  // namespace grpo
