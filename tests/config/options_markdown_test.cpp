#include "libgrpo/config/help.hpp"

#include "libgrpo/config/field.hpp"

#include <catch2/catch.hpp>
#include <sstream>

using namespace grpo;

TEST_CASE("the Markdown reference has a row for every option, and a heading for every section") {
  const std::string text = options_markdown();
  Recipe recipe;
  const auto list = fields(recipe);
  for (const Field& field : list) CHECK(text.find("\n| `" + field.name + "` | ") != std::string::npos);
  for (const std::string& section : sections(list)) CHECK(text.find("\n## " + section + "\n") != std::string::npos);
  CHECK(text.find("| `num_generations` | completions, \\>= 2 | `8` |") != std::string::npos);
  CHECK(text.find("`grpo`, `bnpo`") != std::string::npos);
}

TEST_CASE("every row of the Markdown reference has four cells, whatever the help says") {
  std::istringstream lines(options_markdown());
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line.front() != '|') continue;
    int bars = 0;
    for (std::size_t i = 0; i < line.size(); ++i) bars += line[i] == '|' && (i == 0 || line[i - 1] != '\\') ? 1 : 0;
    CHECK(bars == 5);
  }
}
