#include "libgrpo/assemble/hooks.hpp"

#include "libgrpo/base/files.hpp"
#include "libgrpo/base/peak_memory.hpp"
#include "libgrpo/config/print.hpp"
#include "libgrpo/rollout/saved_groups.hpp"
#include "libgrpo/tensor/lists.hpp"
#include "libgrpo/tensor/precompiled.hpp"

#include <fmt/format.h>

namespace grpo {
namespace {

namespace fs = std::filesystem;
fs::path metrics_path(const Assembly& a) {
  const fs::path folder = a.loaded.recipe.run.output_dir;
  make_folder(folder);
  return folder / "metrics.jsonl";
}

StepTokens count_step_tokens(const std::vector<Group>& groups) {
  std::size_t prompts = 0, completions = 0;
  for (const Group& group : groups) {
    prompts += group.prompt.ids.size();
    for (const Completion& completion : group.completions) completions += completion.ids.size();
  }
  return {static_cast<double>(completions), static_cast<double>(prompts + completions)};
}

}  // namespace

MetricsHook::MetricsHook(const Assembly& a, std::ostream& out, bool live)
    : assembly_(a), progress_(out, live, a.plan.total_steps) {
  if (a.world.leads()) sink_.emplace(metrics_path(a), a.resumed.step);
}

void MetricsHook::write(std::int64_t step, const std::map<std::string, double>& values) {
  if (sink_) sink_->write(step, values);
}

void MetricsHook::after_step(StepReport& report) {
  seconds_ += report.seconds;
  const double tokens = count_step_tokens(report.groups).packed;
  progress_.step(report.step, report.metrics, report.seconds, tokens);
  if (report.step % assembly_.loaded.recipe.metrics.logging_steps != 0) return;
  auto values = report.metrics;
  values["time/step"] = report.seconds;
  values["time/tokens_per_second"] = tokens / report.seconds;
  for (const auto& [phase, seconds] : report.phases) values["time/" + phase] = seconds;
  for (const RewardColumn& column : report.rewards.columns) values["time/reward/" + column.name] = column.seconds;
  write(report.step, values);
}

void MetricsHook::after_run(std::int64_t /*step*/, bool /*stopped*/) { progress_.finish(); }

EvaluationHook::EvaluationHook(Assembly& a, MetricsHook& metrics, std::ostream& out)
    : assembly_(a), metrics_(metrics), out_(out) {}

void EvaluationHook::run(std::int64_t step) {
  if (assembly_.eval_prompts.empty()) return;
  metrics_.progress().finish();
  const Stopwatch watch;
  assembly_.world.enter_phase("evaluation");
  latest_ = evaluate(assembly_.world, assembly_.eval_prompts, *assembly_.model.sampler, assembly_.reward, greedy_params(assembly_.loaded.recipe));
  auto values = latest_->metrics;
  values["time/eval"] = watch.seconds();
  metrics_.write(step, values);
  std::string text = fmt::format("evaluation at step {}: {} prompts, greedy", step, assembly_.eval_prompts.size());
  for (const std::string& name : assembly_.reward.names())
    if (const auto found = values.find("eval_rewards/" + name + "/mean"); found != values.end())
      text += fmt::format("  {} {:.3f}", name, found->second);
  out_ << text << fmt::format("  ({:.1f} s)", watch.seconds()) << std::endl;
}

void EvaluationHook::before_run(std::int64_t step) {
  if (!assembly_.loaded.recipe.metrics.eval_on_start || step > 0) return;
  run(step);
  before_ = latest_;
}

void EvaluationHook::after_step(StepReport& report) {
  const Recipe& recipe = assembly_.loaded.recipe;
  const bool steps = recipe.metrics.eval_strategy == EvalStrategy::steps;
  const std::int64_t every = recipe.metrics.eval_steps.value_or(recipe.checkpoint.save_steps);
  const bool last = report.step == assembly_.plan.total_steps;
  if ((steps && report.step % every == 0) || (last && (steps || recipe.metrics.eval_on_start))) run(report.step);
}

void CompletionsHook::after_step(StepReport& report) {
  if (!assembly_.loaded.recipe.metrics.log_completions || !assembly_.world.leads()) return;
  const SavedGroups saved{report.groups, report.rewards, report.coefficients, report.ref_log_probs, report.old_log_probs};
  const std::string lines = to_json_lines(saved, report.step);
  const fs::path folder = fs::path(assembly_.loaded.recipe.run.output_dir) / "completions";
  make_folder(folder);
  write_file(folder / fmt::format("step-{:06}.jsonl", report.step), lines);
}

void ProfileHook::before_run(std::int64_t /*step*/) { watch_ = Stopwatch(); }

void ProfileHook::after_step(StepReport& report) {
  profile_.add(report.phases, report.seconds, count_step_tokens(report.groups));
}

void ProfileHook::after_run(std::int64_t /*step*/, bool /*stopped*/) {
  if (assembly_.loaded.recipe.metrics.profile) out_ << '\n' << profile_.table(watch_.seconds(), peak_resident_bytes()) << '\n';
}

void CheckpointHook::after_step(StepReport& report) {
  const CheckpointOptions& options = assembly_.loaded.recipe.checkpoint;
  if (options.save_strategy == SaveStrategy::steps && report.step % options.save_steps == 0) save();
}

void CheckpointHook::after_run(std::int64_t step, bool stopped) {
  if (stopped && step != saved_step_) save();
  if (saving_.valid()) saving_.get();
}

namespace {

NamedTensors parameters_of(const Policy& policy) {
  NamedTensors named;
  for (const Parameter& p : policy.parameters()) named.emplace_back(p.name, p.tensor.detach());
  return named;
}

/// The generation batch that is not used up, as text; empty if the next step samples.
std::string pending_rollout(const Trainer& trainer) {
  const Rollout* rollout = trainer.pending();
  if (rollout == nullptr) return {};
  return to_json_lines({rollout->scored.groups, rollout->scored.rewards, {}, to_list(rollout->ref_log_probs), to_list(rollout->old_log_probs)},
                       trainer.state().step);
}

}  // namespace

void CheckpointHook::save() {
  assembly_.world.enter_phase("checkpoint");
  if (!assembly_.world.leads()) return;
  const Recipe& recipe = assembly_.loaded.recipe;
  const TrainerState& state = assembly_.trainer->state();
  const RunState run{state.step,
                     assembly_.optimizer->steps(),
                     state.tokens_seen,
                     state.bad_steps,
                     assembly_.plan.total_steps,
                     assembly_.order->epoch(state.prompts_drawn),
                     static_cast<std::uint64_t>(recipe.run.seed),
                     state.prompts_drawn,
                     state.updates_done,
                     assembly_.objective->state()};
  if (saving_.valid()) saving_.get();  // one at a time, if a step without an update came between
  CheckpointContents contents{*assembly_.model.policy,      *assembly_.model.tokenizer, assembly_.optimizer->state(), run, to_toml(assembly_.loaded, false),
                              assembly_.reference_sync ? parameters_of(*assembly_.reference) : NamedTensors(),
                              pending_rollout(*assembly_.trainer), chosen_template(assembly_)};
  auto write = [&log = log_, folder = fs::path(recipe.run.output_dir), keep = recipe.checkpoint.save_total_limit,
                      contents = std::move(contents)] {
    save_checkpoint(folder, contents);
    if (keep) rotate_checkpoints(folder, *keep, log);
  };
  saving_ = std::async(std::launch::async, std::move(write)).share();
  assembly_.optimizer->wait_for_reader([saving = saving_] { saving.get(); });
  saved_step_ = state.step;
}

}  // namespace grpo
