/// Where a run is shown besides metrics.jsonl and the progress on the screen: report.html, warnings with advice, TensorBoard, wandb,
/// completions as Parquet and on the screen. Rank 0's. A place that cannot be written is told once and left alone: it never ends a run.
#pragma once

#include "libgrpo/assemble/assembly.hpp"
#include "libgrpo/assemble/hooks.hpp"
#include "libgrpo/base/clock.hpp"
#include "libgrpo/metrics/event_file.hpp"
#include "libgrpo/metrics/html_report.hpp"
#include "libgrpo/metrics/run_watch.hpp"
#include "libgrpo/metrics/sink.hpp"
#include "libgrpo/metrics/wandb_bridge.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <vector>

namespace grpo {

/// Comes after MetricsHook among the hooks, and is one of its sinks; after CheckpointHook too, for at the end it may wait for wandb.
class ReportHook final : public Hook, public MetricsSink {
 public:
  /// `log`: see MetricsHook::beside_progress()
  ReportHook(const Assembly& assembly, MetricsHook& metrics, std::ostream& out, const Log& log);
  void write(std::int64_t step, const std::map<std::string, double>& values) override;
  void after_step(StepReport& report) override;
  void after_run(std::int64_t step, bool stopped) override;

 private:
  void open_services();
  void warn(const std::vector<Alarm>& fresh) const;
  void keep(std::vector<AuditGroup>& groups, const std::vector<Group>& originals, const std::vector<Alarm>& fresh);
  void send_completions(const StepReport& report, const std::vector<AuditGroup>& groups);
  void save_table(const std::vector<AuditGroup>& groups, std::int64_t step);
  void print(const std::vector<AuditGroup>& groups);
  void write_report(bool finished);
  /// Runs `write`; after an Error that place is closed.
  template <class Place>
  void try_write(std::optional<Place>& place, const std::function<void(Place&)>& write);

  const Assembly& assembly_;
  MetricsHook& metrics_;
  std::ostream& out_;
  const Log& log_;
  RunWatch watch_;
  std::optional<HtmlReport> html_;
  std::optional<EventFile> events_;
  std::unique_ptr<WandbBridge> wandb_;
  bool saves_tables_ = true;
  std::optional<Stopwatch> written_;  // since report.html was
};

/// A step's groups as the report sees them, without the text of single tokens.
std::vector<AuditGroup> audit_groups(const StepReport& report);
/// Adds it: one piece of text for each token.
void add_pieces(AuditGroup& audit, const Group& group, const Tokenizer& tokenizer);

}  // namespace grpo
