/// grpo_export: a model, trained or not, as a GGUF file for llama.cpp or as a Hugging Face folder.
#include "apps/app.hpp"
#include "libgrpo/assemble/export_run.hpp"
#include "libgrpo/config/own_options.hpp"

#include <iostream>

namespace {

constexpr const char* kName = "grpo_export";
constexpr const char* kWhat = "writes --model_name_or_path to --output: FILE.gguf, or a Hugging Face folder";

int run(int argc, char** argv) {
  const grpo::CommandLine line = grpo::parse_command_line(argc, argv);
  grpo::ExportOptions options;
  const auto own = grpo::export_fields(options);
  if (grpo::app::answered(line, kName, [&] { return grpo::help_text(kName, kWhat, own); })) return 0;
  const auto loaded = grpo::load_recipe(grpo::without_data(line, ""), line, own);
  if (grpo::app::answered(line, loaded, grpo::app::stderr_log())) return 0;
  grpo::run_export(loaded.recipe, options, line.dry_run, std::cout);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return grpo::app::guarded(kName, [&] { return run(argc, argv); });
}
