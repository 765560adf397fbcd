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
  std::map<std::string, double> metrics;  ///< eval_reward, eval_rewards/<name>/mean, eval_completions/mean_length, ...
  std::vector<Group> groups;
  RewardTable rewards;
};

/// Samples once per prompt (greedily if params.temperature is 0) and scores. Failed rewards count as reported, never as 0.
Evaluation evaluate(const std::vector<Prompt>& prompts, Sampler& sampler, const RewardSet& rewards, const SamplingParams& params);
/// Likewise, the prompts dealt to the ranks; all get the same answer.
Evaluation evaluate(World& world, const std::vector<Prompt>& prompts, Sampler& sampler, const RewardSet& rewards, const SamplingParams& params);

/// Unbiased estimate of the chance that one of k samples is right, from c right ones among n (Chen et al. 2021, "Codex",
/// equation 1): 1 - C(n-c, k) / C(n, k). throws: Error{contract} unless 1 <= k <= n and 0 <= c <= n
double pass_at_k(std::int64_t n, std::int64_t c, std::int64_t k);

}  // namespace grpo
