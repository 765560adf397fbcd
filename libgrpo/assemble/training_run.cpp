#include "libgrpo/assemble/training_run.hpp"

#include "libgrpo/assemble/bad_step_hook.hpp"
#include "libgrpo/assemble/checkpoint_hook.hpp"
#include "libgrpo/assemble/card.hpp"
#include "libgrpo/assemble/hooks.hpp"
#include "libgrpo/assemble/hub_hook.hpp"
#include "libgrpo/assemble/profile_hook.hpp"
#include "libgrpo/assemble/report_hooks.hpp"
#include "libgrpo/assemble/reward_hook.hpp"
#include "libgrpo/base/files.hpp"
#include "libgrpo/config/print.hpp"

#include <fmt/format.h>

namespace grpo {
namespace {

namespace fs = std::filesystem;

double metric(const Evaluation& evaluation, const std::string& name) {
  const auto found = evaluation.metrics.find(name);
  return found == evaluation.metrics.end() ? 0.0 : found->second;
}

/// One line of a completion, cut and with newlines shown.
std::string one_line(const std::string& text) {
  std::string line;
  for (const char c : text) {
    if (line.size() > 70) return line + "...";
    line += c == '\n' ? "\\n" : std::string(1, c);
  }
  return line;
}

std::string last_question(const Prompt& prompt) {
  return prompt.messages.empty() ? one_line(prompt.text) : one_line(prompt.messages.back().content);
}

void show_comparison(std::ostream& out, const Assembly& a, const Evaluation& before, const Evaluation& after) {
  out << fmt::format("\nheld-out prompts, greedy ({})   before    after\n", before.groups.size());
  for (const std::string& name : a.reward.names()) {
    const std::string key = "eval_rewards/" + name + "/mean";
    out << fmt::format("  {:<28} {:>7.1f} %  {:>5.1f} %\n", name, 100.0 * metric(before, key), 100.0 * metric(after, key));
  }
  out << fmt::format("  {:<28} {:>9.1f}  {:>7.1f}\n", "tokens per completion", metric(before, "eval_completions/mean_length"),
                     metric(after, "eval_completions/mean_length"));
  for (std::size_t i = 0; i < std::min<std::size_t>(3, before.groups.size()); ++i)
    out << fmt::format("\n  {}\n    before  {}\n    after   {}\n", last_question(before.groups[i].prompt),
                       one_line(before.groups[i].completions[0].text), one_line(after.groups[i].completions[0].text));
}

void show_next(std::ostream& out, const Assembly& a) {
  const Recipe& recipe = a.loaded.recipe;
  const std::string question = a.eval_prompts.empty() ? "Hello!" : last_question(a.eval_prompts.front());
  out << fmt::format(
      "\nmodel      {}  (a Hugging Face folder)\ntry it     build/release/bin/grpo_generate --model_name_or_path {} "
      "--chat \"{}\"",
      recipe.run.output_dir, recipe.run.output_dir, question);
  if (recipe.data.system_prompt) out << fmt::format(" --system_prompt \"{}\"", *recipe.data.system_prompt);
  if (!recipe.data.few_shot.empty()) out << " --few_shot";
  for (const std::string& turn : recipe.data.few_shot) out << fmt::format(" \"{}\"", turn);
  out << "\n";
}

/// The finished model, flat in output_dir.
void finish(const Assembly& a) {
  a.world.enter_phase("finish");
  const auto policy = whole_policy(a);
  if (!a.world.leads()) return;
  const fs::path folder = a.loaded.recipe.run.output_dir;
  save_model(folder, *policy, *a.model.tokenizer, chosen_template(a));
  write_model_card(folder, a, a.plan.total_steps);
}

}  // namespace

bool run_training(Assembly& a, const RunConsole& console, const std::atomic<bool>& stop) {
  const fs::path folder = a.loaded.recipe.run.output_dir;
  if (a.resumed.step >= a.plan.total_steps) {
    HubHook hub(a, console.log, stop);
    finish(a);  // the process may have died between its last checkpoint and here
    console.out << fmt::format(
        "nothing left to do: {} is at step {} of {}. Raise --max_steps, or start anew with "
        "--overwrite_output_dir.\n",
        a.resumed_from->string(), a.resumed.step, a.plan.total_steps);
    hub.finish();
    return true;
  }
  if (a.world.leads()) {
    make_folder(folder);
    write_file(folder / "recipe.resolved.toml", to_toml(a.loaded, true));
  }
  MetricsHook metrics(a, console.out, console.live);
  const Log log = metrics.beside_progress(console.log);
  HubHook hub(a, log, stop);
  RewardFailureHook failures(log, a.world.leads());
  BadStepHook bad_steps(a, log);
  EvaluationHook evaluation(a, metrics, console.out);
  CompletionsHook completions(a);
  ReportHook report(a, metrics, console.out, log);
  CheckpointHook checkpoints(a, log);
  ProfileHook profile(a, console.out);
  if (!a.ahead) a.stoppable->listen(&stop);  // batches ahead are finished instead, and kept
  const bool finished =
      a.trainer->run({&metrics, &failures, &bad_steps, &evaluation, &completions, &checkpoints, &hub, &report, &profile}, stop);
  if (!finished) {
    console.out << fmt::format(
        "stopped at step {} of {}; {}. Run the same command again to go on.\n", a.trainer->state().step, a.plan.total_steps,
        a.loaded.recipe.checkpoint.save_on_signal
            ? "everything is saved in " + folder.string()
            : "nothing was saved for it (save_on_signal = false), the checkpoints before it are in " + folder.string());
    return false;
  }
  finish(a);
  const auto steps = a.plan.total_steps - a.resumed.step;
  console.out << fmt::format("trained    {} steps in {} ({:.1f} s a step)\n", steps, show_duration(metrics.seconds()),
                             metrics.seconds() / static_cast<double>(steps));
  if (evaluation.before() && evaluation.latest()) show_comparison(console.out, a, *evaluation.before(), *evaluation.latest());
  show_next(console.out, a);
  hub.finish();
  return true;
}

}  // namespace grpo
