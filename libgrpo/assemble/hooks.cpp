#include "libgrpo/assemble/hooks.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/base/files.hpp"
#include "libgrpo/base/peak_memory.hpp"
#include "libgrpo/metrics/live_block.hpp"
#include "libgrpo/rollout/saved_groups.hpp"
#include "libgrpo/tensor/lists.hpp"
#include "libgrpo/tensor/precompiled.hpp"

#include <chrono>
#include <fmt/format.h>
#include <utility>

namespace grpo {
namespace {

namespace fs = std::filesystem;
fs::path metrics_path(const Assembly& a) {
  const fs::path folder = a.loaded.recipe.run.output_dir;
  make_folder(folder);
  return folder / "metrics.jsonl";
}

/// Of completions, and of each prompt once.
double count_step_tokens(const std::vector<Group>& groups) {
  std::size_t tokens = 0;
  for (const Group& group : groups) {
    tokens += group.prompt.ids.size();
    for (const Completion& completion : group.completions) tokens += completion.ids.size();
  }
  return static_cast<double>(tokens);
}

double count_sampled_tokens(const std::vector<Group>& groups) {
  std::size_t tokens = 0;
  for (const Group& group : groups)
    for (const Completion& completion : group.completions) tokens += completion.ids.size();
  return static_cast<double>(tokens);
}

std::unique_ptr<Progress> make_progress(std::ostream& out, bool live, std::int64_t total_steps) {
  if (live) return std::make_unique<LiveBlock>(out, total_steps, wants_colors(), terminal_columns);
  return std::make_unique<ProgressLine>(out, total_steps);
}

/// Step and age in seconds of the newest complete checkpoint; -1 and 0 if there is none.
std::pair<std::int64_t, double> newest_checkpoint(const fs::path& folder) {
  constexpr std::string_view kPrefix = "checkpoint-";
  std::pair<std::int64_t, double> newest{-1, 0.0};
  std::error_code gone;  // folders may come and go while they are listed
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, gone)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(kPrefix) || name.size() == kPrefix.size() || name.size() > kPrefix.size() + 18 ||
        name.find_first_not_of("0123456789", kPrefix.size()) != std::string::npos)
      continue;
    const std::int64_t step = std::stoll(name.substr(kPrefix.size()));
    const auto written = fs::last_write_time(entry.path() / "manifest.json", gone);
    if (!gone && step > newest.first) newest = {step, std::chrono::duration<double>(fs::file_time_type::clock::now() - written).count()};
  }
  return newest;
}

}  // namespace

MetricsHook::MetricsHook(const Assembly& a, std::ostream& out, bool live)
    : assembly_(a), progress_(make_progress(out, live, a.plan.total_steps)) {
  if (a.world.leads()) sink_.emplace(metrics_path(a), a.resumed.step);
  a.world.watch_phases([progress = progress_.get()](const std::string& name) { progress->phase(name); });
}

MetricsHook::~MetricsHook() { assembly_.world.watch_phases({}); }

void MetricsHook::write(std::int64_t step, const std::map<std::string, double>& values) {
  if (sink_) sink_->write(step, values);
  for (MetricsSink* sink : sinks_) sink->write(step, values);
}

Log MetricsHook::beside_progress(const Log& log) {
  return Log([&log, progress = progress_.get()](LogLevel level, std::string_view text) {
    progress->say([&] { level == LogLevel::warning ? log.warning(text) : log.info(text); });
  });
}

void MetricsHook::after_step(StepReport& report) {
  seconds_ += report.seconds;
  const double tokens = count_step_tokens(report.groups);
  const auto [saved_step, saved_age] = newest_checkpoint(assembly_.loaded.recipe.run.output_dir);
  progress_->step({report.step, report.metrics, report.phases, report.seconds, count_sampled_tokens(report.groups), tokens,
                   peak_resident_bytes(), saved_step, saved_age});
  if (report.step % assembly_.loaded.recipe.metrics.logging_steps != 0) return;
  auto values = report.metrics;
  values["time/step"] = report.seconds;
  values["time/tokens_per_second"] = tokens / report.seconds;
  for (const auto& [phase, seconds] : report.phases) values["time/" + phase] = seconds;
  for (const RewardColumn& column : report.rewards.columns) values["time/reward/" + column.name] = column.seconds;
  write(report.step, values);
}

void MetricsHook::after_run(std::int64_t /*step*/, bool /*stopped*/) { progress_->finish(); }

EvaluationHook::EvaluationHook(Assembly& a, MetricsHook& metrics, std::ostream& out) : assembly_(a), metrics_(metrics), out_(out) {}

void EvaluationHook::run(std::int64_t step) {
  if (assembly_.eval_prompts.empty()) return;
  const Stopwatch watch;
  assembly_.world.enter_phase("evaluation");
  assembly_.model.sampler->refresh(*assembly_.model.policy, step);
  latest_ =
      evaluate(assembly_.world, assembly_.eval_prompts, *assembly_.model.sampler, assembly_.reward, greedy_params(assembly_.loaded.recipe));
  auto values = latest_->metrics;
  if (const auto n = assembly_.loaded.recipe.metrics.num_generations_eval) {
    SamplingParams params = sampling_params(assembly_.loaded.recipe);
    params.num_generations = *n;
    const Evaluation sampled = evaluate(assembly_.world, assembly_.eval_prompts, *assembly_.model.sampler, assembly_.reward, params);
    for (const auto& [name, value] : sampled.metrics)
      if (name.find('@') != std::string::npos) values[name] = value;  // mean@n, pass@n, ...; the rest is said of the greedy ones
  }
  values["time/eval"] = watch.seconds();
  metrics_.write(step, values);
  std::string text = fmt::format("evaluation at step {}: {} prompts, greedy", step, assembly_.eval_prompts.size());
  for (const std::string& name : assembly_.reward.names())
    if (const auto found = values.find("eval_rewards/" + name + "/mean"); found != values.end())
      text += fmt::format("  {} {:.3f}", name, found->second);
  metrics_.progress().say([&] { out_ << text << fmt::format("  ({:.1f} s)", watch.seconds()) << std::endl; });
}

/// How often all prompts were seen. While a generation batch is in use, its last prompt is not done.
std::int64_t EvaluationHook::epochs_done() const {
  std::uint64_t drawn = assembly_.trainer->state().prompts_drawn;
  if (assembly_.trainer->pending() != nullptr && drawn > 0) --drawn;
  return static_cast<std::int64_t>(assembly_.order->epoch(drawn));
}

void EvaluationHook::before_run(std::int64_t step) {
  epochs_done_ = epochs_done();
  if (!assembly_.loaded.recipe.metrics.eval_on_start || step > 0) return;
  run(step);
  before_ = latest_;
}

void EvaluationHook::after_step(StepReport& report) {
  const Recipe& recipe = assembly_.loaded.recipe;
  const EvalStrategy strategy = recipe.metrics.eval_strategy;
  const std::int64_t every = recipe.metrics.eval_steps.value_or(recipe.checkpoint.save_steps);
  const std::int64_t epochs_before = std::exchange(epochs_done_, epochs_done());
  const bool due =
      (strategy == EvalStrategy::steps && report.step % every == 0) || (strategy == EvalStrategy::epoch && epochs_done_ > epochs_before);
  const bool last = report.step == assembly_.plan.total_steps;
  if (due || (last && (strategy != EvalStrategy::no || recipe.metrics.eval_on_start))) run(report.step);
}

void CompletionsHook::after_step(StepReport& report) {
  if (!assembly_.loaded.recipe.metrics.log_completions || !assembly_.world.leads()) return;
  const SavedGroups saved{report.groups, report.rewards, report.coefficients, report.ref_log_probs, report.old_log_probs};
  const std::string lines = to_json_lines(saved, report.step);
  const fs::path folder = fs::path(assembly_.loaded.recipe.run.output_dir) / "completions";
  make_folder(folder);
  write_file(folder / fmt::format("step-{:06}.jsonl", report.step), lines);
}

}  // namespace grpo
