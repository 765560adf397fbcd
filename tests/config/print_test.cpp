#include "libgrpo/config/print.hpp"

#include "libgrpo/config/field.hpp"
#include "libgrpo/config/validate.hpp"
#include "tests/config/recipe_files.hpp"

#include <catch2/catch.hpp>

#include <set>

using namespace grpo;
using namespace grpo::test;

namespace {

// For each option a TOML value that is not its default and stands with the others of the table.
const std::map<std::string, std::string> kOther = {
    {"output_dir", "\"o \\\"q\\\" \\\\ \\u0001\""},
    {"run_name", "\"night run\""},
    {"seed", "9007199254740993"},  // no double holds it
    {"max_steps", "100"},
    {"num_train_epochs", "0.1"},
    {"num_threads", "2"},
    {"quiet", "true"},
    {"dataset_prompt_column", "\"q\""},
    {"dataset_solution_column", "\"a\""},
    {"dataset_mixture",
     "{seed = 1, datasets = [{id = \"a\", weight = 0.5, columns = [\"x\"]}, {id = \"b\", weight = 1.0, "
     "prompt_column = \"p\", solution_column = \"s\"}]}"},
    {"shuffle_dataset", "false"},
    {"system_prompt", "\"two\\nlines\\tand … more\""},
    {"few_shot", "[\"1+1\", \"2\"]"},
    {"chat_template", "\"none\""},
    {"max_prompt_length", "256"},
    {"eval_dataset_name", "\"sums\""},
    {"eval_num_prompts", "10"},
    {"model_name_or_path", "\"models/m\""},
    {"num_generations", "4"},
    {"max_completion_length", "64"},
    {"min_completion_length", "64"},
    {"temperature", "0.7"},
    {"top_p", "0.95"},
    {"top_k", "50"},
    {"min_p", "0.05"},
    {"reward_funcs", "[\"a\", \"b\"]"},
    {"reward_weights", "[1.0, 1e-3]"},
    {"loss_type", "\"grpo\""},
    {"epsilon", "0.3"},
    {"epsilon_high", "0.28"},
    {"beta", "0.04"},
    {"use_bias_correction_kl", "false"},
    {"scale_rewards", "\"batch\""},
    {"learning_rate", "2.5e-7"},
    {"lr_scheduler_type", "\"constant_with_warmup\""},
    {"warmup_steps", "10"},
    {"warmup_ratio", "0.1"},
    {"adam_beta1", "0.8"},
    {"adam_beta2", "0.99"},
    {"adam_epsilon", "1e-6"},
    {"weight_decay", "0.01"},
    {"max_grad_norm", "0.2"},
    {"per_device_train_batch_size", "6"},
    {"gradient_accumulation_steps", "2"},
    {"generation_batch_size", "12"},
    {"token_budget", "4096"},
    {"max_bad_steps", "3"},
    {"save_strategy", "\"no\""},
    {"save_steps", "25"},
    {"save_total_limit", "2"},
    {"resume_from_checkpoint", "\"no\""},
    {"overwrite_output_dir", "true"},
    {"logging_steps", "10"},
    {"log_completions", "true"},
    {"eval_strategy", "\"steps\""},
    {"eval_steps", "50"},
    {"eval_on_start", "true"},
};

std::string recipe_of(const std::map<std::string, std::string>& values) {
  std::string text;
  for (const auto& [name, value] : values) text += name + " = " + value + "\n";
  return text;
}

}  // namespace

TEST_CASE("every option goes from TOML into the recipe and back", "[config]") {
  const LoadedRecipe loaded = load_text("r.toml", recipe_of(kOther), "");
  Recipe read = loaded.recipe;
  Recipe defaults;
  const auto list = fields(read);
  const auto default_list = fields(defaults);
  REQUIRE(list.size() == kOther.size() + 1);  // all but dataset_name, which dataset_mixture rules out
  for (std::size_t i = 0; i < list.size(); ++i) {
    INFO(list[i].name);
    if (list[i].name == "dataset_name") continue;
    CHECK(to_toml_value(list[i]) != to_toml_value(default_list[i]));  // it was read
    CHECK(loaded.origin.at(list[i].name).find("r.toml:") != std::string::npos);
  }
  for (const bool origins : {false, true}) {
    const std::string text = to_toml(loaded, origins);
    CHECK(load_text("again.toml", text, "").recipe == loaded.recipe);
  }
  CHECK(load_text("x.toml", "dataset_name = \"d.jsonl\"", "model_name_or_path = \"m\"").recipe.data.dataset_name ==
        "d.jsonl");
}

TEST_CASE("each option alone reads into its own member and no other", "[config]") {
  Recipe defaults;
  for (const Field& target : fields(defaults)) {
    if (target.name == "dataset_name") continue;
    INFO(target.name);
    Recipe recipe;
    std::vector<std::string> changed;
    std::vector<std::string> notes;
    const auto list = fields(recipe);
    const auto written = load_text("r.toml", recipe_of(kOther), "");
    Recipe source = written.recipe;
    const auto source_list = fields(source);
    for (std::size_t i = 0; i < list.size(); ++i) {
      if (list[i].name == target.name) copy_value(source_list[i], list[i]);
    }
    const auto default_list = fields(defaults);
    for (std::size_t i = 0; i < list.size(); ++i) {
      if (to_toml_value(list[i]) != to_toml_value(default_list[i])) changed.push_back(list[i].name);
    }
    CHECK(changed == std::vector<std::string>{target.name});
    CHECK_FALSE(recipe == defaults);
  }
}

TEST_CASE("the same recipe over the command line", "[config]") {
  std::vector<std::string> words;
  const LoadedRecipe from_file = load_text("r.toml", recipe_of(kOther), "");
  for (const auto& [name, value] : kOther) {
    std::string word = value.front() == '"' ? value.substr(1, value.size() - 2) : value;
    if (name == "output_dir") word = from_file.recipe.run.output_dir;
    if (name == "system_prompt") word = *from_file.recipe.data.system_prompt;
    if (name == "dataset_mixture") {
      word = R"({"seed": 1, "datasets": [{"id": "a", "weight": 0.5, "columns": ["x"]},
                {"id": "b", "prompt_column": "p", "solution_column": "s"}]})";
    }
    words.push_back("--" + name + "=" + word);
  }
  CHECK(load_words(words, "").recipe == from_file.recipe);
}

TEST_CASE("the resolved recipe says where values came from", "[config]") {
  const std::string text = to_toml(load_words({"--seed=3"}), true);
  CHECK(text.find("[run]\n") == 0);
  CHECK(text.find("\nseed = 3 ") != std::string::npos);
  CHECK(text.find("# command line\n") != std::string::npos);
  CHECK(text.find("# run_name is unset") != std::string::npos);
  CHECK(text.find("learning_rate = 1e-6 ") != std::string::npos);
  CHECK(to_toml(load_words({}), false).find(" # default") == std::string::npos);
}

TEST_CASE("names and aliases are unique, sections are in order", "[config]") {
  Recipe recipe;
  std::set<std::string> names;
  const auto list = fields(recipe);
  for (const Field& field : list) {
    INFO(field.name);
    CHECK(names.insert(field.name).second);
    for (const std::string& alias : field.aliases) {
      INFO(alias);
      CHECK(names.insert(alias).second);
    }
  }
  CHECK(sections(list) == std::vector<std::string>{"run", "data", "policy", "sampling", "reward", "objective",
                                                   "optimizer", "checkpoint", "metrics"});
}

TEST_CASE("the defaults are within their ranges; a recipe filled in by code is checked", "[config]") {
  Recipe recipe;
  for (const Field& field : fields(recipe)) {
    INFO(field.name);
    CHECK(range_error(field).empty());
  }
  CHECK_THROWS_AS(validate(recipe), Error);
  recipe.policy.model_name_or_path = "m";
  recipe.data.dataset_name = "sums";
  CHECK_NOTHROW(validate(recipe));
  recipe.sampling.temperature = -1;
  CHECK_THROWS_WITH(validate(recipe), "temperature = -1.0: must be > 0");
}
