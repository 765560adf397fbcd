/// Generation beside training, assembled: makers of batches with their own places in the order of prompts.
#pragma once

#include "libgrpo/trainer/rollouts_ahead.hpp"

#include <cstddef>
#include <memory>
#include <vector>

namespace grpo {

/// thread: the maker's threads read prompts and rewards, and call the sampler, several at once
class BatchesAhead {
 public:
  /// prompts, sampler and reward must outlive it. With dynamic sampling, where a batch's prompts depend on those before it, there is
  /// one maker; otherwise as many as batches may be under way.
  BatchesAhead(const PromptSet& prompts, const PromptOrder& order, Sampler& sampler, const RewardSet& reward, const RolloutOptions& options,
               AheadOptions ahead);

  [[nodiscard]] RolloutsAhead& batches() { return *batches_; }

 private:
  struct Maker {
    PromptOrder order;
    std::unique_ptr<Rollouts> rollouts;
  };
  std::unique_ptr<World> solo_ = make_solo_world();
  std::vector<std::unique_ptr<Maker>> makers_;
  std::unique_ptr<RolloutsAhead> batches_;
};

}  // namespace grpo
