#include "libgrpo/assemble/bad_step_hook.hpp"

#include <fmt/format.h>

namespace grpo {

void BadStepHook::after_step(StepReport& report) {
  if (!assembly_.world.leads()) return;
  for (const std::string& note : report.notes) log_.warning(fmt::format("step {}: {}", report.step, note));
  if (report.skipped)
    log_.warning(
        fmt::format("step {}: {}; the step is skipped and the weights stay as they are: {} in a row, {} end the run (max_bad_steps)",
                    report.step, report.bad_number, assembly_.trainer->state().bad_steps, assembly_.loaded.recipe.optimizer.max_bad_steps));
}

}  // namespace grpo
