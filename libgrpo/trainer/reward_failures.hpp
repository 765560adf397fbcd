/// Rewards that failed: counted, told, and too many of them end the run.
#pragma once

#include "libgrpo/base/error.hpp"
#include "libgrpo/types/group.hpp"
#include "libgrpo/types/reward.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace grpo {

/// Thrown between two updates: what the run has learned is as it was before the batch, and worth saving.
class RewardsFailed : public Error {
 public:
  explicit RewardsFailed(const std::string& message) : Error(ErrorKind::backend, message) {}
};

/// One reward function that failed on completions of a batch.
struct FailedReward {
  std::string name;
  std::int64_t failed = 0, asked = 0;  ///< verdicts; those that are not applicable were not asked for
  std::string first;                   ///< why, and the row it was
};

/// Those functions that failed at all, in the order of the columns.
std::vector<FailedReward> failed_rewards(const std::vector<Group>& groups, const RewardTable& rewards);

/// "reward judge: 3 of 32 failed; first: no answer within 10 s (train.jsonl:17)"
std::string show(const FailedReward& reward);

/// throws: RewardsFailed if more than this share of a function's verdicts failed
void check_failures(const std::vector<Group>& groups, const RewardTable& rewards, double max_share);

}  // namespace grpo
