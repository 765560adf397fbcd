#include "tests/config/recipe_files.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

using namespace grpo;
using namespace grpo::test;

TEST_CASE("open-r1's flat options of rewards become their arguments") {
  const std::string rewards = "model_name_or_path: m\ndataset_name: d.jsonl\nreward_funcs: [cosine, format]\n";
  const auto loaded = load_text("r.yaml", rewards + "cosine_max_len: 800\ncosine_min_value_wrong: -0.25\nrepetition_n_grams: 4\n", "");
  REQUIRE(loaded.recipe.reward.reward_args);
  CHECK(nlohmann::json::parse(loaded.recipe.reward.reward_args->json) ==
        nlohmann::json{{"cosine", {{"max_len", 800}, {"min_value_wrong", -0.25}}}});
  std::string notes;
  for (const std::string& note : loaded.notes) notes += note + "\n";
  CHECK(notes.find("cosine_max_len: taken as reward_args cosine.max_len, which counts tokens\n") != std::string::npos);
  CHECK(notes.find("repetition_n_grams: has no meaning here, ignored (repetition_penalty is not one of reward_funcs)\n") !=
        std::string::npos);
  // What reward_args says wins.
  const auto both = load_text("r.yaml", rewards + "cosine_max_len: 800\nreward_args: {cosine: {max_len: 500}}\n", "");
  CHECK(nlohmann::json::parse(both.recipe.reward.reward_args->json)["cosine"]["max_len"] == 500);
  CHECK_THROWS_WITH(load_text("r.yaml", rewards + "cosine_max_len: long\n", ""),
                    Catch::Matchers::Contains("r.yaml:4: cosine_max_len = ") && Catch::Matchers::Contains("expected a number"));
}
