/// Splits a command line into the app's own switches and overrides of recipe options.
///
/// `--name value`, `--name=value`, `--name a b c` (a list, up to the next --option), `--flag` (true), `--flag false`.
/// Dashes inside a name count as underscores. It does not know the options: load_recipe judges names and values.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace grpo {

/// One option of the command line. No words: a bare `--flag`.
struct Override {
  std::string name;
  std::vector<std::string> words;
};

struct CommandLine {
  std::optional<std::filesystem::path> config;
  bool print_config = false;
  bool dry_run = false;
  bool help = false;
  bool version = false;
  std::vector<Override> overrides;
};

/// throws: Error{recipe} with one line per error; never if --help or --version is asked for
CommandLine parse_command_line(int argc, const char* const* argv);

}  // namespace grpo
