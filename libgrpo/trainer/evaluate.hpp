/// How good the policy is on prompts it is not trained on.
#pragma once

#include "libgrpo/dist/world.hpp"
#include "libgrpo/reward/reward_fn.hpp"
#include "libgrpo/sampler/sampler.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace grpo {

struct Evaluation {
  /// eval_reward, eval_rewards/<name>/mean, eval_completions/mean_length, ...; of the figures of eval/statistics.hpp that speak of right
  /// answers eval_<figure>, and /low and /high of each: eval_accuracy of one completion a prompt, else eval_mean@n, eval_pass@n, ...
  std::map<std::string, double> metrics;
  std::vector<Group> groups;
  RewardTable rewards;
};

/// Samples params.num_generations completions a prompt (greedily if params.temperature is 0) and scores them. Failed rewards count as reported, never as 0.
Evaluation evaluate(const std::vector<Prompt>& prompts, Sampler& sampler, const RewardSet& rewards, const SamplingParams& params);
/// Likewise, the prompts dealt to the ranks; all get the same answer.
Evaluation evaluate(World& world, const std::vector<Prompt>& prompts, Sampler& sampler, const RewardSet& rewards,
                    const SamplingParams& params);

}  // namespace grpo
