/// What went wrong in a step without ending the run, told as it happens.
#pragma once

#include "libgrpo/assemble/assembly.hpp"
#include "libgrpo/base/log.hpp"

namespace grpo {

/// A warning for a step that was skipped (StepReport::bad_number), and one for each of StepReport::notes. Of several ranks, rank 0 tells.
class BadStepHook final : public Hook {
 public:
  BadStepHook(const Assembly& assembly, const Log& log) : assembly_(assembly), log_(log) {}
  void after_step(StepReport& report) override;

 private:
  const Assembly& assembly_;
  const Log& log_;
};

}  // namespace grpo
