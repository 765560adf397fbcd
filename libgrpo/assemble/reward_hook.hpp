/// Rewards that failed, told step by step.
#pragma once

#include "libgrpo/base/log.hpp"
#include "libgrpo/trainer/trainer.hpp"

namespace grpo {

/// One warning for each reward function that failed in the step: how often, and why the first time. `leads`: of several ranks one tells.
class RewardFailureHook final : public Hook {
 public:
  RewardFailureHook(const Log& log, bool leads) : log_(log), leads_(leads) {}
  void after_step(StepReport& report) override;

 private:
  const Log& log_;
  bool leads_;
};

}  // namespace grpo
