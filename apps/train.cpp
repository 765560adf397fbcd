#include "apps/train.hpp"

#include "apps/app.hpp"
#include "libgrpo/assemble/training_run.hpp"
#include "libgrpo/base/error.hpp"
#include "libgrpo/config/help.hpp"
#include "libgrpo/config/own_options.hpp"

#include <iostream>

namespace grpo::app {
namespace {

int train(const TrainingProgram& program, int argc, char** argv) {
  const CommandLine line = parse_command_line(argc, argv);
  if (answered(line, program.name, [&] { return help_text(program.name, program.what); })) return 0;
  LoadedRecipe loaded = load_recipe(names_data(line) ? program.defaults : program.quickstart, line.config, line.overrides);
  const Log log = stderr_log();
  if (answered(line, loaded, log)) return 0;
  const auto& stop = stop_on_signals();
  const auto assembly = assemble(std::move(loaded), log);
  const Recipe& recipe = assembly->loaded.recipe;
  std::ostream silent(nullptr);
  std::ostream& out = recipe.run.quiet ? silent : std::cout;
  out << show_plan(assembly->plan, recipe, assembly->model.policy->config()) << std::endl;
  if (line.dry_run) return 0;
  return run_training(*assembly, {out, stdout_is_live(), log}, stop) ? 0 : kExitStoppedBySignal;
}

}  // namespace

int run(const TrainingProgram& program, int argc, char** argv) {
  return guarded(program.name, [&] { return train(program, argc, argv); });
}

}  // namespace grpo::app
