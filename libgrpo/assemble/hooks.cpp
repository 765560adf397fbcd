#include "libgrpo/assemble/hooks.hpp"

#include "libgrpo/base/files.hpp"
#include "libgrpo/config/print.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace grpo {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

fs::path metrics_path(const Assembly& a) {
  const fs::path folder = a.loaded.recipe.run.output_dir;
  make_folder(folder);
  return folder / "metrics.jsonl";
}

std::int64_t packed_tokens(const std::vector<Group>& groups) {
  std::size_t tokens = 0;
  for (const Group& group : groups) {
    tokens += group.prompt.ids.size();
    for (const Completion& completion : group.completions) tokens += completion.ids.size();
  }
  return static_cast<std::int64_t>(tokens);
}

Json reward_json(const Reward& reward) {
  if (reward.has_value()) return reward.value();
  return reward.kind() == Reward::Kind::failed ? Json{{"failed", reward.why()}} : Json(nullptr);
}

/// Model output may hold anything; text that is no UTF-8 is written with replacement characters.
std::string dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

}  // namespace

MetricsHook::MetricsHook(const Assembly& a, std::ostream& out, bool live)
    : assembly_(a), sink_(metrics_path(a), a.resumed.step), progress_(out, live, a.plan.total_steps) {}

void MetricsHook::after_step(StepReport& report) {
  seconds_ += report.seconds;
  const auto tokens = static_cast<double>(packed_tokens(report.groups));
  progress_.step(report.step, report.metrics, report.seconds, tokens);
  if (report.step % assembly_.loaded.recipe.metrics.logging_steps != 0) return;
  auto values = report.metrics;
  values["time/step"] = report.seconds;
  values["time/tokens_per_second"] = tokens / report.seconds;
  for (const auto& [phase, seconds] : report.phases) values["time/" + phase] = seconds;
  for (const RewardColumn& column : report.rewards.columns) values["time/reward/" + column.name] = column.seconds;
  sink_.write(report.step, values);
}

void MetricsHook::after_run(std::int64_t /*step*/, bool /*stopped*/) { progress_.finish(); }

EvaluationHook::EvaluationHook(Assembly& a, MetricsHook& metrics, std::ostream& out)
    : assembly_(a), metrics_(metrics), out_(out) {}

void EvaluationHook::run(std::int64_t step) {
  if (assembly_.eval_prompts.empty()) return;
  metrics_.progress().finish();
  const Stopwatch watch;
  latest_ = evaluate(assembly_.eval_prompts, *assembly_.model.sampler, assembly_.reward, greedy_params(assembly_.loaded.recipe));
  auto values = latest_->metrics;
  values["time/eval"] = watch.seconds();
  metrics_.sink().write(step, values);
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
  if (!assembly_.loaded.recipe.metrics.log_completions) return;
  std::string lines;
  std::size_t i = 0;
  for (const Group& group : report.groups) {
    Json line = {{"step", report.step}, {"source", group.prompt.source}, {"prompt", group.prompt.text},
                 {"prompt_ids", group.prompt.ids}, {"solution", group.prompt.solution}, {"completions", Json::array()}};
    for (const Completion& completion : group.completions) {
      Json rewards = Json::object();
      for (const RewardColumn& column : report.rewards.columns) rewards[column.name] = reward_json(column.rewards[i]);
      line["completions"].push_back({{"ids", completion.ids}, {"text", completion.text}, {"rewards", rewards},
                                     {"advantage", report.coefficients[i]}, {"old_logprobs", completion.log_probs},
                                     {"truncated", completion.finish == FinishReason::length}});
      ++i;
    }
    lines += dump(line) + "\n";
  }
  const fs::path folder = fs::path(assembly_.loaded.recipe.run.output_dir) / "completions";
  make_folder(folder);
  write_file(folder / fmt::format("step-{:06}.jsonl", report.step), lines);
}

void CheckpointHook::after_step(StepReport& report) {
  const CheckpointOptions& options = assembly_.loaded.recipe.checkpoint;
  if (options.save_strategy == SaveStrategy::steps && report.step % options.save_steps == 0) save();
}

void CheckpointHook::after_run(std::int64_t step, bool stopped) {
  if (stopped && step != saved_step_) save();
}

void CheckpointHook::save() {
  const Recipe& recipe = assembly_.loaded.recipe;
  const TrainerState& state = assembly_.trainer->state();
  const RunState run{state.step,
                     assembly_.optimizer->steps(),
                     state.tokens_seen,
                     state.bad_steps,
                     assembly_.plan.total_steps,
                     assembly_.order->epoch(static_cast<std::uint64_t>(state.step)),
                     static_cast<std::uint64_t>(recipe.run.seed),
                     assembly_.objective->state()};
  save_checkpoint(recipe.run.output_dir, {*assembly_.model.policy, *assembly_.model.tokenizer, assembly_.optimizer->state(), run,
                                          to_toml(assembly_.loaded, false)});
  saved_step_ = state.step;
  if (recipe.checkpoint.save_total_limit)
    rotate_checkpoints(recipe.run.output_dir, *recipe.checkpoint.save_total_limit, log_);
}

}  // namespace grpo
