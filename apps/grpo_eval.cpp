/// grpo_eval: how good a model is on a dataset. Without a recipe or a dataset: on the quick start's held-out sums.
#include "apps/app.hpp"
#include "libgrpo/assemble/eval_run.hpp"
#include "libgrpo/config/own_options.hpp"
#include "quickstart.hpp"

#include <iostream>
#include <string_view>

namespace {

constexpr const char* kName = "grpo_eval";
constexpr const char* kWhat = "scores a model's completions of a dataset: greedy, or pass@k with --n and --k";

int eval(int argc, char** argv) {
  const grpo::CommandLine line = grpo::parse_command_line(argc, argv);
  grpo::EvalOptions options;
  const auto own = grpo::eval_fields(options);
  if (grpo::app::answered(line, kName, [&] { return grpo::help_text(kName, kWhat, own); })) return 0;
  const auto built_in = grpo::names_data(line) ? std::string_view() : kQuickstartToml;
  const auto loaded = grpo::load_recipe(built_in, line, own);
  if (grpo::app::answered(line, loaded, grpo::app::stderr_log())) return 0;
  grpo::run_eval(loaded, options, {std::cout, grpo::app::stdout_is_live(), line.dry_run});
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return grpo::app::guarded(kName, [&] { return eval(argc, argv); });
}
