/// Rewards -> advantages, in double precision, without tensors. r_i = sum_k weight_k R_ik over the reward functions that gave
/// a value (none if one of them failed), minus the KL penalty where it is part of the reward.
///
///     grpo                          A_i = (r_i - mean_group) / (std + 1e-4)         std of group, batch, or no division
///     rloo                          A_i = r_i - mean of the group's other rewards
///     reinforce_plus_plus           A_i = (r_i - mean_batch) / (std_batch(r) + 1e-4)
///     reinforce_plus_plus_baseline  A_i = d_i / (std_batch(d) + 1e-4), d_i = r_i - mean_group
///
/// scale_rewards belongs to grpo alone. With normalize_then_sum each reward function is standardised in its group first,
/// z_ik = (R_ik - mean) / (std + 1e-4), and A = (sum_k weight_k z_ik - mean_batch) / (std_batch + 1e-4).
///
/// Source: Shao et al. 2024, "DeepSeekMath", section 4.1.2 (group); Liu et al. 2025, "Understanding R1-Zero", section 3.2
/// (none); Ahmadian et al. 2024, "Back to Basics", section 3 (rloo); Hu et al. 2025, "REINFORCE++", section 3; "GDPO",
/// arXiv 2601.05242 (normalize_then_sum). Standard deviations are unbiased and the 1e-4 is TRL's. Not here: per-token returns.
#pragma once

#include "libgrpo/config/objective_options.hpp"
#include "libgrpo/types/reward.hpp"

#include <cstdint>
#include <vector>

namespace grpo {

/// Completions whose reward is unknown: a function that has a weight failed on them. shape: -> [N]
/// throws: Error{contract} if columns differ in length
std::vector<bool> failed_completions(const RewardTable& table);

/// Weighted sum per completion. A completion for which no function gave a value, or one that counts failed, is NaN: it has no reward,
/// which is not 0, and a sum of what is left would compare it with others by a different measure.
/// shape: -> [N]   throws: Error{contract} if columns differ in length
std::vector<double> total_rewards(const RewardTable& table);

struct Advantages {
  std::vector<double> values;      ///< [N]; 0 for a completion without a reward
  std::vector<double> group_mean;  ///< [B], of the rewards; NaN for a group without any
  std::vector<double> group_std;   ///< [B], 0 for fewer than two rewards
  double batch_std = 0.0;          ///< over all completions that have a reward
};

/// The estimator of `options` for summed rewards. `group_of` [N] numbers groups from 0 in order. A group whose rewards are all
/// equal gets advantages of exactly 0 (reinforce_plus_plus, which compares over groups, excepted).
Advantages estimate_advantages(const std::vector<double>& rewards, const std::vector<std::int64_t>& group_of,
                               const ObjectiveOptions& options);

/// normalize_then_sum; group statistics are those of the weighted sums.
Advantages normalize_then_sum(const RewardTable& table, const std::vector<std::int64_t>& group_of);

}  // namespace grpo
