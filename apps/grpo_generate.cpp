/// grpo_generate: completions of a prompt, by the sampler that training uses.
#include "apps/app.hpp"
#include "libgrpo/assemble/generate_run.hpp"
#include "libgrpo/config/own_options.hpp"

#include <iostream>

namespace {

constexpr const char* kName = "grpo_generate";
constexpr const char* kWhat = "completes a text (--prompt) or answers a question (--chat) with --model_name_or_path";

int generate(int argc, char** argv) {
  const grpo::CommandLine line = grpo::parse_command_line(argc, argv);
  grpo::GenerateOptions options;
  const auto own = grpo::generate_fields(options);
  if (grpo::app::answered(line, kName, [&] { return grpo::help_text(kName, kWhat, own); })) return 0;
  const auto loaded = grpo::load_recipe(grpo::without_data(line, "max_completion_length = 256\n"), line, own);
  if (grpo::app::answered(line, loaded, grpo::app::stderr_log())) return 0;
  grpo::run_generate(loaded.recipe, options, {std::cin, std::cout, grpo::app::stdout_is_live(), line.dry_run});
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return grpo::app::guarded(kName, [&] { return generate(argc, argv); });
}
