/// What happens around a run's steps: logging, evaluation, saved completions, checkpoints. run() calls them in this order.
/// Of several ranks, rank 0 writes; evaluation is dealt to all.
#pragma once

#include "libgrpo/assemble/assembly.hpp"
#include "libgrpo/metrics/json_lines.hpp"
#include "libgrpo/metrics/profile.hpp"
#include "libgrpo/metrics/progress.hpp"
#include "libgrpo/trainer/evaluate.hpp"

#include <filesystem>
#include <future>
#include <optional>
#include <ostream>

namespace grpo {

/// metrics.jsonl and the progress line. Keys that depend on the machine's speed start with "time/".
class MetricsHook final : public Hook {
 public:
  MetricsHook(const Assembly& assembly, std::ostream& out, bool live);
  void after_step(StepReport& report) override;
  void after_run(std::int64_t step, bool stopped) override;
  /// Adds a line to metrics.jsonl.
  void write(std::int64_t step, const std::map<std::string, double>& values);
  [[nodiscard]] ProgressLine& progress() { return progress_; }
  [[nodiscard]] double seconds() const { return seconds_; }  ///< spent in steps

 private:
  const Assembly& assembly_;
  std::optional<JsonLinesSink> sink_;  // of rank 0
  ProgressLine progress_;
  double seconds_ = 0.0;
};

/// Greedy evaluation on the held-out prompts: before the run (eval_on_start), every eval_steps, and after the last step (before
/// that step's checkpoint, so that a run resumed there lacks nothing).
class EvaluationHook final : public Hook {
 public:
  EvaluationHook(Assembly& assembly, MetricsHook& metrics, std::ostream& out);
  void before_run(std::int64_t step) override;
  void after_step(StepReport& report) override;
  [[nodiscard]] const std::optional<Evaluation>& before() const { return before_; }
  [[nodiscard]] const std::optional<Evaluation>& latest() const { return latest_; }

 private:
  void run(std::int64_t step);
  Assembly& assembly_;
  MetricsHook& metrics_;
  std::ostream& out_;
  std::optional<Evaluation> before_, latest_;
};

/// completions/step-000123.jsonl: one line per group, with everything needed to replay the step under another objective.
class CompletionsHook final : public Hook {
 public:
  explicit CompletionsHook(const Assembly& assembly) : assembly_(assembly) {}
  void after_step(StepReport& report) override;

 private:
  const Assembly& assembly_;
};

/// The table of phases at the end of the run, if the recipe's `profile` asks for it. The last hook, so that the others' work is
/// between steps.
class ProfileHook final : public Hook {
 public:
  ProfileHook(const Assembly& assembly, std::ostream& out) : assembly_(assembly), out_(out) {}
  void before_run(std::int64_t step) override;
  void after_step(StepReport& report) override;
  void after_run(std::int64_t step, bool stopped) override;

 private:
  const Assembly& assembly_;
  std::ostream& out_;
  Profile profile_;
  Stopwatch watch_;
};

/// checkpoint-N every save_steps, and when a signal stops the run.
/// Saves beside the next step: weights and optimizer state are read where they are, and stay as they are until the optimizer's next step,
/// which waits for the end of the save. throws: as save_checkpoint, from that step or from after_run()
class CheckpointHook final : public Hook {
 public:
  CheckpointHook(const Assembly& assembly, const Log& log) : assembly_(assembly), log_(log) {}
  void after_step(StepReport& report) override;
  void after_run(std::int64_t step, bool stopped) override;

 private:
  void save();
  const Assembly& assembly_;
  const Log& log_;
  std::int64_t saved_step_ = -1;
  std::shared_future<void> saving_;  // invalid: none yet
};

}  // namespace grpo
