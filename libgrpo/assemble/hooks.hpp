/// What happens around a run's steps: logging, evaluation, saved completions; checkpoints are in checkpoint_hook.hpp.
/// Of several ranks, rank 0 writes; evaluation is dealt to all.
#pragma once

#include "libgrpo/assemble/assembly.hpp"
#include "libgrpo/metrics/json_lines.hpp"
#include "libgrpo/metrics/progress.hpp"
#include "libgrpo/metrics/sink.hpp"
#include "libgrpo/trainer/evaluate.hpp"

#include <memory>
#include <optional>
#include <ostream>

namespace grpo {

/// metrics.jsonl, further sinks, and the progress on the screen. Keys that depend on the machine's speed start with "time/".
class MetricsHook final : public Hook {
 public:
  MetricsHook(const Assembly& assembly, std::ostream& out, bool live);
  ~MetricsHook() override;
  void after_step(StepReport& report) override;
  void after_run(std::int64_t step, bool stopped) override;
  /// Adds a line to metrics.jsonl and tells the sinks.
  void write(std::int64_t step, const std::map<std::string, double>& values);
  /// `sink` must live as long as the run.
  void add_sink(MetricsSink& sink) { sinks_.push_back(&sink); }
  [[nodiscard]] Progress& progress() { return *progress_; }
  /// A log like `log`, whose lines do not run into the progress on the screen.
  [[nodiscard]] Log beside_progress(const Log& log);
  [[nodiscard]] double seconds() const { return seconds_; }  ///< spent in steps

 private:
  const Assembly& assembly_;
  std::optional<JsonLinesSink> sink_;  // of rank 0
  std::vector<MetricsSink*> sinks_;
  std::unique_ptr<Progress> progress_;
  double seconds_ = 0.0;
};

/// Evaluation on the held-out prompts, greedy, and with num_generations_eval completions too: before the run (eval_on_start), every
/// eval_steps or at the end of each epoch, and after the last step (before that step's checkpoint, so that a run resumed there lacks
/// nothing).
class EvaluationHook final : public Hook {
 public:
  EvaluationHook(Assembly& assembly, MetricsHook& metrics, std::ostream& out);
  void before_run(std::int64_t step) override;
  void after_step(StepReport& report) override;
  [[nodiscard]] const std::optional<Evaluation>& before() const { return before_; }
  [[nodiscard]] const std::optional<Evaluation>& latest() const { return latest_; }

 private:
  void run(std::int64_t step);
  [[nodiscard]] std::int64_t epochs_done() const;
  Assembly& assembly_;
  MetricsHook& metrics_;
  std::ostream& out_;
  std::int64_t epochs_done_ = 0;
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

}  // namespace grpo
