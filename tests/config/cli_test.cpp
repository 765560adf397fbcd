#include "libgrpo/config/cli.hpp"

#include "libgrpo/config/field.hpp"
#include "libgrpo/config/help.hpp"
#include "tests/config/recipe_files.hpp"

#include <catch2/catch.hpp>

#include <regex>

using namespace grpo;
using namespace grpo::test;
using Lines = std::vector<std::string>;

TEST_CASE("the command line is split into switches and overrides", "[config]") {
  const CommandLine line = split({"--config", "r.toml", "--dry_run", "--print-config", "--max_steps", "-1", "--quiet", "--run_name=a=b",
                                  "--reward_funcs", "x", "y", "--log_completions", "false"});
  CHECK(line.config == "r.toml");
  CHECK(line.dry_run);
  CHECK(line.print_config);
  CHECK_FALSE(line.help);
  REQUIRE(line.overrides.size() == 5);
  CHECK((line.overrides[0].name == "max_steps" && line.overrides[0].words == Lines{"-1"}));
  CHECK((line.overrides[1].name == "quiet" && line.overrides[1].words.empty()));
  CHECK(line.overrides[2].words == Lines{"a=b"});
  CHECK(line.overrides[3].words == Lines{"x", "y"});
  CHECK(split({"-h"}).help);
  CHECK(split({"stray", "--help"}).help);
  CHECK(split({}).overrides.empty());
  CHECK(parse_command_line(0, nullptr).overrides.empty());
}

TEST_CASE("what is wrong with a command line is told at once", "[config]") {
  CHECK(errors_of_words({"recipe.toml", "--config", "--dry_run=maybe", "--"}) ==
        Lines{"command line: recipe.toml: options start with --; a recipe file is given as --config FILE",
              "command line: --config: expected one file, got 0", "command line: --dry_run: takes no value, got maybe",
              "command line: -- without a name"});
  CHECK(errors_of_words({"--seed"}) == Lines{"command line: --seed: needs a value"});
  CHECK(errors_of_words({"--seed", "1", "2"}) == Lines{"command line: --seed: takes one value, got 2: 1 2"});
  CHECK(errors_of_words({"--learning_rate=-1"}) == Lines{"command line: --learning_rate=-1: must be >= 0"});
  CHECK(errors_of_words({"--dry_rum"}) == Lines{"command line: --dry_rum: unknown option; did you mean dry_run?"});
}

TEST_CASE("lists on the command line", "[config]") {
  const auto funcs = [](const Lines& words) {
    Lines all = {"--reward_funcs"};
    all.insert(all.end(), words.begin(), words.end());
    return load_words(all).recipe.reward.reward_funcs;
  };
  CHECK(funcs({"a"}) == Lines{"a"});
  CHECK(funcs({"a,b"}) == Lines{"a", "b"});
  CHECK(funcs({"a", "b"}) == Lines{"a", "b"});
  CHECK(funcs({R"(["a", "b,c"])"}) == Lines{"a", "b,c"});
  CHECK(load_words({"--few_shot", "1, 2?", "3"}).recipe.data.few_shot == Lines{"1, 2?", "3"});
  CHECK(load_words({"--few_shot=[]"}).recipe.data.few_shot.empty());
  CHECK(load_words({"--reward_weights=[2]"}).recipe.reward.reward_weights == std::vector<double>{2.0});
  CHECK(errors_of_words({"--reward_weights=[\"2\"]"}).size() == 1);
  CHECK(errors_of_words({"--reward_weights=1,x"}) == Lines{"command line: --reward_weights=[1, x]: expected a number, got x"});
  CHECK(errors_of_words({"--reward_funcs=[\"a\""}).size() == 1);
  CHECK(load_words({"--log_completions"}).recipe.metrics.log_completions);
  CHECK_FALSE(load_words({"--shuffle-dataset", "no"}).recipe.data.shuffle_dataset);
}

TEST_CASE("--help names every option once, in lines of at most 120 columns", "[config]") {
  const std::string text = help_text("grpo_train", "trains");
  Recipe recipe;
  for (const Field& field : fields(recipe)) {
    const std::regex name("--" + field.name + "(?![A-Za-z0-9_])");
    INFO(field.name);
    CHECK(std::distance(std::sregex_iterator(text.begin(), text.end(), name), {}) == 1);
    INFO(field.name);
    CHECK(!field.help.empty());
  }
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    INFO(line);
    CHECK(line.size() <= 120);
  }
  CHECK(text.find("--num_generations <completions>") != std::string::npos);
  CHECK(text.find("[>= 2; default 8]") != std::string::npos);
  CHECK(text.find("(also init_kl_coeff, init_kl_coef, kl_penalty_beta)") != std::string::npos);
  CHECK(text.find("[token_truncate|token_mask|sequence_truncate|sequence_mask;\n") != std::string::npos);
  CHECK(text.find(" default sequence_mask]\n") != std::string::npos);
  CHECK(text.find("\n[run]\n") < text.find("\n[data]\n"));
}
