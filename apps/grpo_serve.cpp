/// grpo_serve: the sampler that training uses, behind HTTP.
#include "apps/app.hpp"
#include "libgrpo/assemble/serve_run.hpp"
#include "libgrpo/config/own_options.hpp"

#include <iostream>

namespace {

constexpr const char* kName = "grpo_serve";
constexpr const char* kWhat = "serves --model_name_or_path over HTTP, as vLLM, TRL and OpenAI's clients know it";

int serve(int argc, char** argv) {
  const grpo::CommandLine line = grpo::parse_command_line(argc, argv);
  grpo::ServeOptions options;
  const auto own = grpo::serve_fields(options);
  if (grpo::app::answered(line, kName, [&] { return grpo::help_text(kName, kWhat, own); })) return 0;
  const auto loaded = grpo::load_recipe(grpo::without_data(line, "max_completion_length = 1\n"), line, own);
  const grpo::Log log = grpo::app::stderr_log();
  if (grpo::app::answered(line, loaded, log)) return 0;
  const auto& stop = grpo::app::stop_on_signals();
  grpo::run_serve(loaded.recipe, options, {std::cout, log, line.dry_run}, stop);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return grpo::app::guarded(kName, [&] { return serve(argc, argv); });
}
