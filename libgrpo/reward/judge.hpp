/// One reward over one group, whatever the reward does. Internal to reward/.
#pragma once

#include "libgrpo/reward/reward_fn.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace grpo::detail {

/// Why the exception in flight was thrown, cut to a few hundred bytes.
std::string current_reason();

/// The reward; failed if its value is not finite.
Reward checked(Reward reward);

/// One verdict per completion: an exception, a wrong number of them and values that are not finite become Reward::failed. What
/// failed is asked for again, at most `retries` times, by the reward's own rules.
std::vector<Reward> judge_group(const RewardFn& reward, const Group& group, std::int64_t retries);

/// RewardFn::mode(), empty where it throws.
std::string mode_of(const RewardFn& reward, const Completion& completion);

}  // namespace grpo::detail
