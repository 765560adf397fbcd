#include "libgrpo/config/cli.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/config/value.hpp"

#include <algorithm>

namespace grpo {
namespace {

bool is_option(const std::string& word) { return word.starts_with("--") || word == "-h"; }

// The words of one option, `--name=value` counting as one word.
Override take_option(const std::vector<std::string>& words, std::size_t& at) {
  std::string name = words[at] == "-h" ? "help" : words[at].substr(2);
  ++at;
  Override option;
  const std::size_t equals = name.find('=');
  if (equals != std::string::npos) {
    option.words.push_back(name.substr(equals + 1));
    name.resize(equals);
  }
  while (equals == std::string::npos && at < words.size() && !is_option(words[at])) option.words.push_back(words[at++]);
  std::replace(name.begin(), name.end(), '-', '_');
  option.name = std::move(name);
  return option;
}

// A switch of the app: bare, or with one word that is true or false. False if it is something else.
bool read_switch(const Override& option, bool& out) {
  if (option.words.size() > 1) return false;
  if (option.words.empty() || option.words[0] == "true") return out = true;
  out = false;
  return option.words[0] == "false";
}

}  // namespace

CommandLine parse_command_line(int argc, const char* const* argv) {
  std::vector<std::string> words;
  for (int i = 1; i < argc; ++i) words.emplace_back(argv[i]);
  CommandLine line;
  std::string errors;
  const auto fail = [&errors](const std::string& what) { errors += (errors.empty() ? "command line: " : "\ncommand line: ") + what; };
  const auto flag = [&](const Override& option, bool& out) {
    if (!read_switch(option, out)) fail("--" + option.name + ": takes no value, got " + show_text(option.words[0]));
  };
  for (std::size_t at = 0; at < words.size();) {
    if (!is_option(words[at])) {
      fail(show_text(words[at]) + ": options start with --; a recipe file is given as --config FILE");
      ++at;
      continue;
    }
    Override option = take_option(words, at);
    if (option.name.empty()) {
      fail("-- without a name");
    } else if (option.name == "config") {
      if (option.words.size() != 1 || option.words[0].empty()) {
        fail("--config: expected one file, got " + std::to_string(option.words.size()));
      } else {
        line.config = option.words[0];
      }
    } else if (option.name == "print_config") {
      flag(option, line.print_config);
    } else if (option.name == "dry_run") {
      flag(option, line.dry_run);
    } else if (option.name == "help") {
      line.help = true;
    } else if (option.name == "version") {
      line.version = true;
    } else {
      line.overrides.push_back(std::move(option));
    }
  }
  if (!errors.empty() && !line.help && !line.version) throw Error{ErrorKind::recipe, errors};
  return line;
}

}  // namespace grpo
