/// What the sampled groups look like, under TRL's metric names.
#pragma once

#include "libgrpo/types/group.hpp"
#include "libgrpo/types/reward.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace grpo {

/// rewards/<name>/{mean,std}, rewards/<name>/failed (share), completions/{mean,min,max}_length, .../clipped_ratio,
/// .../{mean,min,max}_terminated_length, entropy (mean over tokens, as sampled), sampling/weight_version (updates behind
/// the oldest weights that sampled, where the sampler counts them).
std::map<std::string, double> group_metrics(const std::vector<Group>& groups, const RewardTable& rewards);

/// Prompt tokens (once per completion, as TRL counts) and completion tokens.
std::int64_t count_tokens(const std::vector<Group>& groups);

}  // namespace grpo
