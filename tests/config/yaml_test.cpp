#include "libgrpo/config/load.hpp"

#include "tests/config/recipe_files.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace grpo;
using namespace grpo::test;
using Lines = std::vector<std::string>;

TEST_CASE("a YAML recipe in TRL's style", "[config]") {
  const LoadedRecipe loaded = load_text("r.yaml", R"(# Model arguments
model_name_or_path: models/Qwen2.5-1.5B-Instruct
system_prompt: |
  Think first.
  <answer>…</answer>
run_name: 2024
learning_rate: 1e-6
adam_beta2: .99
num_train_epochs: 1
save_strategy: no
shuffle_dataset: False
reward_funcs:
- accuracy
- format
reward_weights: [1.0, 2]
max_steps: "50"
resume_from_checkpoint: false
scale_rewards: True
)");
  const Recipe& recipe = loaded.recipe;
  CHECK(recipe.policy.model_name_or_path == "models/Qwen2.5-1.5B-Instruct");
  CHECK(recipe.data.system_prompt == "Think first.\n<answer>…</answer>\n");
  CHECK(recipe.run.run_name == "2024");
  CHECK(recipe.optimizer.learning_rate == 1e-6);
  CHECK(recipe.optimizer.adam_beta2 == 0.99);
  CHECK(recipe.run.num_train_epochs == 1.0);
  CHECK(recipe.checkpoint.save_strategy == SaveStrategy::no);
  CHECK_FALSE(recipe.data.shuffle_dataset);
  CHECK(recipe.reward.reward_funcs == Lines{"accuracy", "format"});
  CHECK(recipe.reward.reward_weights == std::vector<double>{1, 2});
  CHECK(recipe.run.max_steps == 50);
  CHECK(recipe.checkpoint.resume_from_checkpoint == "no");
  CHECK(recipe.objective.scale_rewards == ScaleRewards::group);
  CHECK(loaded.origin.at("run_name").ends_with("r.yaml:6"));
}

TEST_CASE("a mixture of datasets, in YAML, TOML and JSON", "[config]") {
  const std::string model = "model_name_or_path = \"m\"\n";
  const LoadedRecipe yaml = load_text("r.yaml", R"(dataset_mixture:
  seed: 3
  datasets:
    - id: a.jsonl
      config: default
      split: train
      columns:
        - problem
        - answer
      weight: 0.25
    - id: b.jsonl
      prompt_column: question
)",
                                      model);
  REQUIRE(yaml.recipe.data.dataset_mixture);
  const DatasetMixture& mixture = *yaml.recipe.data.dataset_mixture;
  CHECK(mixture.seed == 3);
  REQUIRE(mixture.datasets.size() == 2);
  CHECK(mixture.datasets[0] == MixtureEntry{"a.jsonl", 0.25, {}, {}, {"problem", "answer"}, "default"});
  CHECK(mixture.datasets[1] == MixtureEntry{"b.jsonl", 1.0, "question", {}, {}});
  CHECK(yaml.notes.empty());

  const std::string toml = R"(dataset_mixture = {seed = 3, datasets = [
  {id = "a.jsonl", weight = 0.25, config = "default", columns = ["problem", "answer"]}, {id = "b.jsonl", prompt_column = "question"}]})";
  CHECK(load_text("r.toml", "[data]\n" + toml, model).recipe == yaml.recipe);
  const std::string json = R"({"seed": 3, "datasets": [{"id": "a.jsonl", "weight": 0.25, "config": "default",
    "columns": ["problem", "answer"]}, {"id": "b.jsonl", "prompt_column": "question"}]})";
  CHECK(load_words({"--dataset_mixture", json}, model).recipe == yaml.recipe);
  // As tables of their own.
  const std::string tables = R"([data.dataset_mixture]
seed = 3
[[data.dataset_mixture.datasets]]
id = "a.jsonl"
weight = 0.25
config = "default"
columns = ["problem", "answer"]
[[data.dataset_mixture.datasets]]
id = "b.jsonl"
prompt_column = "question"
)";
  CHECK(load_text("r.toml", tables, model).recipe == yaml.recipe);

  for (const char* bad :
       {"{\"datasets\": []}", "{\"datasets\": [{}]}", "{\"datasets\": [{\"id\": \"a\", \"weight\": 0}]}",
        "{\"datasets\": [{\"id\": \"a\", \"weight\": 2}]}", "{\"datasets\": [{\"id\": \"a\", \"x\": 1}]}",
        "{\"datasets\": [{\"id\": \"a\", \"columns\": [\"x\"]}, {\"id\": \"b\", \"columns\": [\"y\"]}]}",
        "{\"datasets\": [{\"id\": \"a\"}], \"test_split_size\": 1}", "{\"datasets\": [{\"id\": \"a\"}], \"sampling\": \"x\"}",
        "{\"datasets\": 1}", "{", "a.jsonl", "[1]", "{\"seed\": -1, \"datasets\": [{\"id\": \"a\"}]}"}) {
    INFO(bad);
    CHECK(errors_of_words({"--dataset_mixture", bad}, model).size() == 1);
  }
}

TEST_CASE("errors of a YAML recipe name the line", "[config]") {
  CHECK(errors_of("r.yaml", "seed: 1\n\nnum_generation: 4\nepsilon: wide\n") ==
        Lines{"r.yaml:3: num_generation: unknown option; did you mean num_generations?", "r.yaml:4: epsilon = wide: expected a number"});
  CHECK(errors_of("r.yaml", "beta: 0.1\nbeta: 0.2\n").size() == 1);
  CHECK(errors_of("r.yaml", "seed: [1\n").at(0).find("r.yaml:") == 0);
  CHECK(errors_of("r.yaml", "- seed\n") == Lines{"r.yaml:1: expected lines of the form name: value"});
  CHECK(errors_of("r.yaml", "seed: 1\n---\nseed: 2\n").size() == 1);
  CHECK(errors_of("r.yaml", "? [a]\n: 1\n").size() == 1);
  CHECK(errors_of("r.yaml", "").empty());
}

TEST_CASE("keys without meaning here: one note each; keys that would change the training: an error", "[config]") {
  const LoadedRecipe loaded = load_text("r.yaml", R"(attn_implementation: flash_attention_2
bf16: true
gradient_checkpointing_kwargs:
  use_reentrant: false
hub_always_push: true
use_vllm: false
report_to: none
gen_best_of: 1
optim: adamw_torch_fused
)");
  REQUIRE(loaded.notes.size() == 6);
  CHECK(loaded.notes[0].ends_with("r.yaml:1: attn_implementation: has no meaning here, ignored (attention is built in)"));
  CHECK(loaded.notes[3].find("r.yaml:5: hub_always_push: has no meaning here, ignored") != std::string::npos);
  CHECK(load_text("r.yaml", "report_to: []\n").notes.empty());
  CHECK(load_text("r.yaml", "report_to:\n- wandb\n").recipe.report.reports_to("wandb"));
  CHECK_FALSE(load_text("r.yaml", "report_to: tensorboard\n").recipe.report.reports_to("wandb"));
  CHECK(load_text("r.yaml", "report_to: all\n").recipe.report.reports_to("tensorboard"));
  CHECK(load_text("r.yaml", "report_to: [mlflow]\n").notes.empty());
  CHECK(errors_of("r.yaml", "report_to: wandbb\n").size() == 1);
  CHECK(errors_of("r.yaml", "report_to: [none, wandb]\n").size() == 1);
  CHECK(load_words({"--attn_implementation", "sdpa", "--bf16"}).notes.size() == 2);
  CHECK(errors_of("r.yaml", "gen_best_of: 4\noptim: adafactor\nvllm_best_of: 2\nuse_dora: true\n").size() == 4);
  CHECK(errors_of("r.yaml", "gen_best_of: 4\n") ==
        Lines{"r.yaml:1: gen_best_of = 4: not there yet (best-of sampling); remove it or set it to 1 or null"});
  CHECK(errors_of_words({"--optim=adamw|adamw_hf"}).size() == 1);
}
