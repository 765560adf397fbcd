/// grpo_train: fine-tune a causal language model by GRPO. Without arguments it trains the quick start.
#include "apps/app.hpp"
#include "libgrpo/assemble/training_run.hpp"
#include "libgrpo/base/error.hpp"
#include "libgrpo/config/help.hpp"
#include "libgrpo/config/own_options.hpp"
#include "quickstart.hpp"

#include <iostream>
#include <string_view>

namespace {

constexpr const char* kName = "grpo_train";
constexpr const char* kWhat = "fine-tunes a causal language model by GRPO; without arguments it trains the quick start";

int train(int argc, char** argv) {
  const grpo::CommandLine line = grpo::parse_command_line(argc, argv);
  if (grpo::app::answered(line, kName, [] { return grpo::help_text(kName, kWhat); })) return 0;
  // The quick start is the default of somebody who names neither a recipe nor a dataset.
  const auto built_in = grpo::names_data(line) ? std::string_view() : kQuickstartToml;
  grpo::LoadedRecipe loaded = grpo::load_recipe(built_in, line.config, line.overrides);
  const grpo::Log log = grpo::app::stderr_log();
  if (grpo::app::answered(line, loaded, log)) return 0;
  const auto& stop = grpo::app::stop_on_signals();
  const auto assembly = grpo::assemble(std::move(loaded), log);
  const grpo::Recipe& recipe = assembly->loaded.recipe;
  std::ostream silent(nullptr);
  std::ostream& out = recipe.run.quiet ? silent : std::cout;
  out << grpo::show_plan(assembly->plan, recipe, assembly->model.policy->config()) << std::endl;
  if (line.dry_run) return 0;
  const bool finished = grpo::run_training(*assembly, {out, grpo::app::stdout_is_live(), log}, stop);
  return finished ? 0 : grpo::kExitStoppedBySignal;
}

}  // namespace

int main(int argc, char** argv) {
  return grpo::app::guarded(kName, [&] { return train(argc, argv); });
}
