/// Checkpoints while a run goes: when they are made, beside the next step, and what happens if one cannot be.
#pragma once

#include "libgrpo/assemble/assembly.hpp"
#include "libgrpo/base/clock.hpp"
#include "libgrpo/base/log.hpp"

#include <filesystem>
#include <future>
#include <string>

namespace grpo {

/// checkpoint-N every save_steps, when save_interval_minutes have passed since the one before, and when a signal stops the run (unless
/// save_on_signal is false). Of several ranks, rank 0 writes; where they share the optimizer's state, each writes its file, the clock of
/// rank 0 decides, and the checkpoint appears when all have written, before the next update.
/// Saves beside the next step: weights and optimizer state are read where they are, and stay as they are until the optimizer's next step,
/// which waits for the end of the save.
/// A save that fails (disk full, folder not writable) is a warning: what was written of it is removed, earlier checkpoints stay, and the
/// run saves again when the next one is due.
class CheckpointHook final : public Hook {
 public:
  CheckpointHook(const Assembly& assembly, const Log& log) : assembly_(assembly), log_(log) {}
  void after_step(StepReport& report) override;
  /// throws: Error{backend} with path and reason if the run was stopped and its state cannot be saved
  void after_run(std::int64_t step, bool stopped) override;
  /// Saves whatever save_on_signal says. throws: as after_run()
  void after_failure(std::int64_t step) override;

 private:
  [[nodiscard]] bool interval_passed() const;
  void save_at_end(std::int64_t step);
  [[nodiscard]] std::string start();
  [[nodiscard]] std::string finish();
  void go_on(const std::string& failure);
  void publish() const;
  [[nodiscard]] std::string first_of_ranks(const std::string& mine) const;
  [[nodiscard]] CheckpointContents contents(const Policy& policy) const;
  [[nodiscard]] bool sharded() const { return assembly_.world.size() > 1 && assembly_.loaded.recipe.dist.zero_stage > 0; }
  const Assembly& assembly_;
  const Log& log_;
  Stopwatch since_save_;
  std::int64_t saved_step_ = -1;     // or being saved; -1: none
  std::shared_future<void> saving_;  // invalid: nothing is being saved
  std::filesystem::path partial_;
};

}  // namespace grpo
