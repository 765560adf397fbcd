/// grpo_train: fine-tune a causal language model by GRPO. Without arguments it trains the quick start.
#include "apps/app.hpp"
#include "libgrpo/assemble/training_run.hpp"
#include "libgrpo/base/error.hpp"
#include "libgrpo/config/help.hpp"
#include "libgrpo/config/print.hpp"
#include "quickstart.hpp"

#include <algorithm>
#include <iostream>
#include <string_view>

namespace {

constexpr const char* kName = "grpo_train";
constexpr const char* kWhat = "fine-tunes a causal language model by GRPO; without arguments it trains the quick start";

/// The quick start is the default of somebody who names neither a recipe nor a dataset.
bool wants_quickstart(const grpo::CommandLine& line) {
  return !line.config && std::none_of(line.overrides.begin(), line.overrides.end(), [](const grpo::Override& o) {
    return o.name == "dataset_name" || o.name == "dataset_mixture";
  });
}

int train(int argc, char** argv) {
  const grpo::CommandLine line = grpo::parse_command_line(argc, argv);
  if (line.help) {
    std::cout << grpo::help_text(kName, kWhat);
    return 0;
  }
  if (line.version) {
    std::cout << kName << " " << GRPO_VERSION << "\n";
    return 0;
  }
  grpo::LoadedRecipe loaded =
      grpo::load_recipe(wants_quickstart(line) ? kQuickstartToml : std::string_view(), line.config, line.overrides);
  if (line.print_config) {
    std::cout << grpo::to_toml(loaded, true);
    return 0;
  }
  const grpo::Log log = grpo::app::stderr_log();
  for (const std::string& note : loaded.notes) log.info(note);
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
