/// Rewards -> advantages, in double precision, without tensors.
///
///     r_i = sum_k weight_k R_ik                      over the reward functions that gave a value
///     A_i = (r_i - mean_group(r)) / (std + 1e-4)     std of the group, of the batch, or no division
///
/// Source: Shao et al. 2024, "DeepSeekMath", section 4.1.2 (group); Liu et al. 2025, "Understanding R1-Zero", section 3.2
/// (none); standard deviations are unbiased and the 1e-4 is TRL's.
#pragma once

#include "libgrpo/config/recipe.hpp"
#include "libgrpo/types/reward.hpp"

#include <cstdint>
#include <vector>

namespace grpo {

/// Weighted sum per completion. A completion for which no function gave a value is NaN: it has no reward, which is not 0.
/// shape: -> [N]   throws: Error{contract} if columns differ in length
std::vector<double> total_rewards(const RewardTable& table);

struct Advantages {
  std::vector<double> values;      ///< [N]; 0 for a completion without a reward, and for all of a group without signal
  std::vector<double> group_mean;  ///< [B], NaN for a group without any reward
  std::vector<double> group_std;   ///< [B], 0 for fewer than two rewards
  double batch_std = 0.0;          ///< over all completions that have a reward
};

/// `group_of` [N] numbers groups from 0 in order. A group whose rewards are all equal gets advantages of exactly 0.
Advantages group_advantages(const std::vector<double>& rewards, const std::vector<std::int64_t>& group_of, ScaleRewards scale);

}  // namespace grpo
