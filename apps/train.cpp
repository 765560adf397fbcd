#include "apps/train.hpp"

#include "apps/app.hpp"
#include "apps/ranks.hpp"
#include "libgrpo/assemble/training_run.hpp"
#include "libgrpo/base/error.hpp"
#include "libgrpo/base/large_pages.hpp"
#include "libgrpo/config/help.hpp"
#include "libgrpo/config/own_options.hpp"

#include <iostream>

namespace grpo::app {
namespace {

int train(LoadedRecipe loaded, bool dry_run, const Log& log, World& world) {
  const auto& stop = stop_on_signals();
  const auto assembly = assemble(std::move(loaded), log, world);
  const Recipe& recipe = assembly->loaded.recipe;
  std::ostream silent(nullptr);
  std::ostream& out = recipe.run.quiet || !world.leads() ? silent : std::cout;
  out << show_plan(assembly->plan, recipe, assembly->model.policy->config()) << std::endl;
  if (dry_run) return 0;
  return run_training(*assembly, {out, stdout_is_live(), log}, stop) ? 0 : kExitStoppedBySignal;
}

int start(const TrainingProgram& program, const Launch& launch, int argc, char** argv) {
  CommandLine line = parse_command_line(argc, argv);
  if (answered(line, program.name, [&] { return help_text(program.name, program.what); })) return 0;
  line.overrides.push_back({"num_processes", {std::to_string(launch.size)}});
  LoadedRecipe loaded = load_recipe(names_data(line) ? program.defaults : program.quickstart, line.config, line.overrides);
  loaded.origin["num_processes"] = "as started";
  const Log log = rank_log(launch);
  if (answered(line, loaded, log)) return 0;
  share_cores(launch, loaded.recipe.run.num_threads);
  return on_all_ranks(program.name, launch, loaded.recipe.dist,
                      [&](World& world) { return train(std::move(loaded), line.dry_run, log, world); });
}

}  // namespace

int run(const TrainingProgram& program, int argc, char** argv) {
  prefer_large_pages();
  return guarded(program.name, [&] { return start(program, read_launch(), argc, argv); });
}

}  // namespace grpo::app
