/// grpo_inspect: what does the trainer really see?
#include "apps/app.hpp"
#include "libgrpo/assemble/inspect.hpp"
#include "libgrpo/base/error.hpp"
#include "libgrpo/config/help.hpp"
#include "libgrpo/config/own_options.hpp"
#include "quickstart.hpp"

#include <fstream>
#include <iostream>

namespace {

constexpr const char* kCommands =
    "grpo_inspect: shows what the trainer really sees\n\n"
    "  grpo_inspect tokens             JSON lines {\"text\": ...} -> {\"ids\": [...]}\n"
    "  grpo_inspect prompts            the first prompts of a recipe, rendered, and their ids\n"
    "  grpo_inspect logprobs           JSON lines {\"prompt_ids\", \"completion_ids\"} -> log-probs and entropies\n"
    "  grpo_inspect loss               saved groups -> loss, gradient norm, advantages or weights, metrics of a recipe\n"
    "  grpo_inspect checkpoint PATH    step, sizes and damage of a checkpoint, a model or an output folder\n"
    "  grpo_inspect options            every option of a recipe as Markdown tables\n\n"
    "Each but the last has --help. tokens and logprobs need --model_name_or_path, and read standard input or --input FILE.\n"
    "loss reads --groups FILE, as log_completions writes it under output_dir/completions, and a recipe.\n";

struct Options {
  std::optional<std::string> input, groups;
  std::int64_t rows = 3;
  bool json = false;
};

std::vector<grpo::Field> own_fields(const std::string& command, Options& o) {
  const grpo::Field json = {"inspect", "json", &o.json, "", "JSON in place of text for people"};
  if (command == "prompts") return {{"inspect", "rows", &o.rows, "rows", "how many prompts to show", {1.0}}, json};
  if (command == "checkpoint") return {json};
  if (command == "loss") return {{"inspect", "groups", &o.groups, "path", "JSON lines, one group each; unset: standard input"}};
  return {{"inspect", "input", &o.input, "path", "JSON lines to read; unset: standard input"}};
}

/// The stream of a file, or standard input.
std::istream& open_input(const std::optional<std::string>& path, std::ifstream& file) {
  if (!path) return std::cin;
  file.open(*path, std::ios::binary);
  if (!file || file.peek() == std::ifstream::traits_type::eof())
    throw grpo::Error(grpo::ErrorKind::data, *path + ": no such file, or nothing in it");
  return file;
}

int show(std::ostream& out, const std::string& text, int code) {
  out << text;
  return code;
}

int inspect(int argc, char** argv) {
  const std::string command = argc > 1 ? argv[1] : "";
  if (command == "--help" || command == "-h") return show(std::cout, kCommands, 0);
  if (command == "--version") return show(std::cout, std::string("grpo_inspect ") + GRPO_VERSION + "\n", 0);
  if (command == "options") return show(std::cout, grpo::options_markdown(), 0);
  const bool checkpoint = command == "checkpoint";
  if (!checkpoint && command != "tokens" && command != "prompts" && command != "logprobs" && command != "loss")
    return show(std::cerr, kCommands, 2);
  const bool has_path = checkpoint && argc > 2 && !std::string_view(argv[2]).starts_with("--");
  const grpo::CommandLine line = grpo::parse_command_line(argc - (has_path ? 2 : 1), argv + (has_path ? 2 : 1));
  Options options;
  const auto own = own_fields(command, options);
  const std::string usage = "grpo_inspect " + command + (checkpoint ? " PATH" : "");
  if (line.help) return show(std::cout, grpo::help_text(usage, "see grpo_inspect --help", own), 0);
  if (checkpoint && !has_path) return show(std::cerr, kCommands, 2);
  std::string built_in = checkpoint ? "model_name_or_path = \"not asked for\"\n" : "";
  built_in = command == "prompts" && !grpo::names_data(line) ? kQuickstartToml : grpo::without_data(line, built_in);
  const grpo::Recipe recipe = grpo::load_recipe(built_in, line, own).recipe;
  if (checkpoint) return grpo::inspect_checkpoint(argv[2], options.json, std::cout) ? 0 : exit_code(grpo::ErrorKind::data);
  std::ifstream file;
  const auto& path = command == "loss" ? options.groups : options.input;
  const std::string name = path.value_or("standard input");
  if (command == "tokens") grpo::inspect_tokens(recipe, open_input(path, file), name, std::cout);
  if (command == "logprobs") grpo::inspect_logprobs(recipe, open_input(path, file), name, std::cout);
  if (command == "loss") grpo::inspect_loss(recipe, open_input(path, file), name, std::cout);
  if (command == "prompts") grpo::inspect_prompts(recipe, options.rows, options.json, std::cout);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return grpo::app::guarded("grpo_inspect", [&] { return inspect(argc, argv); });
}
