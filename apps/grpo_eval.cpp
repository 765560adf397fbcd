/// grpo_eval: how good a model is, on a dataset or on named benchmarks. Without any: on the quick start's held-out sums.
#include "apps/app.hpp"
#include "apps/ranks.hpp"
#include "libgrpo/assemble/eval_run.hpp"
#include "libgrpo/config/own_options.hpp"
#include "quickstart.hpp"

#include <algorithm>
#include <iostream>
#include <string_view>

namespace {

constexpr const char* kName = "grpo_eval";
constexpr const char* kWhat = "asks a model the questions of a dataset or of --benchmarks, and tells how many it gets right";

bool names_benchmarks(const grpo::CommandLine& line) {
  return std::any_of(line.overrides.begin(), line.overrides.end(),
                     [](const grpo::Override& option) { return option.name == "benchmarks"; });
}

int eval(const grpo::Launch& launch, int argc, char** argv) {
  const grpo::CommandLine line = grpo::parse_command_line(argc, argv);
  grpo::EvalOptions options;
  const auto own = grpo::eval_fields(options);
  if (grpo::app::answered(line, kName, [&] { return grpo::help_text(kName, kWhat, own); })) return 0;
  // A benchmark brings its own questions, but a recipe without any does not load.
  const std::string_view built_in = grpo::names_data(line) ? "" : names_benchmarks(line) ? "dataset_name = \"sums\"\n" : kQuickstartToml;
  auto loaded = grpo::load_recipe(built_in, line, own);
  const grpo::Log log = grpo::app::rank_log(launch);
  if (grpo::app::answered(line, loaded, log)) return 0;
  grpo::app::share_cores(launch, loaded.recipe.run.num_threads);
  return grpo::app::on_all_ranks(kName, launch, loaded.recipe.dist, [&](grpo::World& world) {
    std::ostream silent(nullptr);
    grpo::run_eval(world, loaded, options,
                   {world.leads() ? std::cout : silent, log, world.leads() && grpo::app::stdout_is_live(), line.dry_run});
    return 0;
  });
}

}  // namespace

int main(int argc, char** argv) {
  return grpo::app::guarded(kName, [&] { return eval(grpo::read_launch(), argc, argv); });
}
