// JSON values of options, and the command line: each line of the input is one word.
#include "libgrpo/config/load.hpp"
#include "libgrpo/config/value.hpp"
#include "tests/fuzz/target.hpp"

using namespace grpo;

FUZZ_TARGET(recipe_json) {
  try {
    (void)show(read_json(bytes));
  } catch (const SyntaxError&) {
  }
  std::vector<std::string> words;
  for (std::string_view rest = bytes; !rest.empty() && words.size() < 16;) words.emplace_back(fuzz::next_part(rest));
  std::vector<const char*> argv = {"grpo_train"};
  for (const std::string& word : words) argv.push_back(word.c_str());
  fuzz::may_refuse([&] {
    const CommandLine line = parse_command_line(static_cast<int>(argv.size()), argv.data());
    (void)load_recipe({}, {}, line.overrides);
  });
}
