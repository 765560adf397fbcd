#include "libgrpo/assemble/reward_hook.hpp"

#include "libgrpo/trainer/reward_failures.hpp"

#include <fmt/format.h>

namespace grpo {

void RewardFailureHook::after_step(StepReport& report) {
  if (!leads_) return;
  for (const FailedReward& reward : failed_rewards(report.groups, report.rewards))
    log_.warning(fmt::format("step {}: {}; these completions are left out of the loss", report.step, show(reward)));
}

}  // namespace grpo
