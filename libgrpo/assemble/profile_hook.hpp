/// Where a run's time and memory went, as --profile prints it at the end.
#pragma once

#include "libgrpo/assemble/assembly.hpp"
#include "libgrpo/base/clock.hpp"
#include "libgrpo/metrics/profile.hpp"

#include <ostream>

namespace grpo {

/// The table of phases at the end of the run, if the recipe's `profile` asks for it. The last hook, so that the others' work is
/// between steps.
class ProfileHook final : public Hook {
 public:
  ProfileHook(const Assembly& assembly, std::ostream& out) : assembly_(assembly), out_(out) {}
  void before_run(std::int64_t step) override;
  void after_step(StepReport& report) override;
  void after_run(std::int64_t step, bool stopped) override;

 private:
  [[nodiscard]] bool wanted() const { return assembly_.loaded.recipe.metrics.profile; }
  const Assembly& assembly_;
  std::ostream& out_;
  Profile profile_;
  Stopwatch watch_, since_last_;
};

}  // namespace grpo
