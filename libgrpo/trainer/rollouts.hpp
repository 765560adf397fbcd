/// Generation batches: prompts drawn in order, completions sampled, rewards given.
///
/// Dynamic sampling (Yu et al. 2025, "DAPO", section 3.2): groups whose rewards are all equal teach nothing, so as many new
/// prompts are drawn in their place, at most max_rounds times. What is still missing then is filled with groups without signal,
/// so a batch always has the same size.
#pragma once

#include "libgrpo/data/prompt_set.hpp"
#include "libgrpo/dist/world.hpp"
#include "libgrpo/reward/reward_fn.hpp"
#include "libgrpo/sampler/sampler.hpp"
#include "libgrpo/trainer/phases.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace grpo {

struct RolloutOptions {
  std::size_t prompts = 1;  ///< per generation batch
  std::uint64_t seed = 42;
  SamplingParams sampling;
  bool dynamic_sampling = false;
  std::int64_t max_rounds = 4;       ///< refills
  double max_reward_failures = 1.0;  ///< share of a reward's verdicts
};

/// Groups with their rewards, in the same order.
struct ScoredGroups {
  std::vector<Group> groups;
  RewardTable rewards;
  std::map<std::string, double> metrics;  ///< dynamic_sampling/{rounds,discarded_groups}
};

class Rollouts {
 public:
  /// All must outlive it.
  Rollouts(World& world, const PromptSet& prompts, PromptOrder& order, Sampler& sampler, const RewardSet& reward, RolloutOptions options);

  /// The next batch, the same on every rank. `cursor` counts the prompts drawn since the run began and moves on: it is all the state there is.
  /// throws: RewardsFailed, the cursor then staying where it was
  ScoredGroups next(std::uint64_t& cursor, Phases& phases);

 private:
  ScoredGroups make(std::uint64_t& cursor, Phases& phases);
  ScoredGroups draw(std::uint64_t& cursor, std::size_t count, Phases& phases);
  World& world_;
  const PromptSet& prompts_;
  PromptOrder& order_;
  Sampler& sampler_;
  const RewardSet& reward_;
  RolloutOptions options_;
};

/// Groups [first, last) with their rewards.
ScoredGroups select_groups(const ScoredGroups& from, std::size_t first, std::size_t last);

}  // namespace grpo
