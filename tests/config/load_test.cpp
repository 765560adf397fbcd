#include "libgrpo/config/load.hpp"

#include "tests/config/recipe_files.hpp"

#include <catch2/catch.hpp>

using namespace grpo;
using namespace grpo::test;
using Lines = std::vector<std::string>;

TEST_CASE("a TOML recipe: tables only group, origins name the line", "[config]") {
  const LoadedRecipe loaded = load_text("recipe.toml", R"(seed = 7
[optimizer]
learning_rate = 1e-5
max_steps = 1_000        # an option of [run]: accepted here too
[sampling]
temperature = 1
[objective]
scale_rewards = false
loss_type = "grpo"
[reward]
reward_funcs = ["a", "b"]
reward_weights = [1, 0.5]
)");
  const Recipe& recipe = loaded.recipe;
  CHECK(recipe.run.seed == 7);
  CHECK(recipe.run.max_steps == 1000);
  CHECK(recipe.optimizer.learning_rate == 1e-5);
  CHECK(recipe.sampling.temperature == 1.0);
  CHECK(recipe.objective.scale_rewards == ScaleRewards::none);
  CHECK(recipe.objective.loss_type == LossType::grpo);
  CHECK(recipe.reward.reward_funcs == Lines{"a", "b"});
  CHECK(recipe.reward.reward_weights == std::vector<double>{1.0, 0.5});
  CHECK(loaded.origin.at("learning_rate").ends_with("/recipe.toml:3"));
  CHECK(loaded.origin.at("dataset_name") == "built-in recipe:2");
  CHECK(loaded.origin.at("beta") == "default");
  CHECK(loaded.notes.empty());
}

TEST_CASE("built-in recipe, file and command line: later wins", "[config]") {
  const RecipeFiles files;
  const auto path = files.write("r.toml", "seed = 2\nsave_steps = 20\n");
  const LoadedRecipe loaded = load_words({"--config", path.string(), "--save_steps", "30", "--save_steps=40"},
                                         kNeeded + "seed = 1\nlogging_steps = 5\nsave_steps = 10\n");
  CHECK(loaded.recipe.metrics.logging_steps == 5);
  CHECK(loaded.recipe.run.seed == 2);
  CHECK(loaded.recipe.checkpoint.save_steps == 40);
  CHECK(loaded.origin.at("save_steps") == "command line");
}

TEST_CASE("all errors come at once, each with its place", "[config]") {
  const Lines lines = errors_of("recipe.toml", R"([sampling]
num_generationz = 4
temperature = 0
top_p = 1.5
num_generations = 8.0
[optimizer]
learning_rate = "fast"
lr_scheduler_type = "polynomial"
warmup_steps = 2000000000
adam_epsilon = nan
[strange]
x = 1
[run]
quiet = 1
)",
                                {"--epsilon=-1", "--max_steps", "0", "--outputdir", "x"});
  CHECK(lines == Lines{
                     "recipe.toml:2: num_generationz: unknown option; did you mean num_generations?",
                     "recipe.toml:3: temperature = 0: must be > 0",
                     "recipe.toml:4: top_p = 1.5: must be > 0 and <= 1",
                     "recipe.toml:5: num_generations = 8.0: expected an integer",
                     "recipe.toml:7: learning_rate = \"fast\": expected a number",
                     "recipe.toml:8: lr_scheduler_type = \"polynomial\": expected linear, cosine, constant or "
                     "constant_with_warmup",
                     "recipe.toml:9: warmup_steps = 2000000000: must be <= 1000000000",
                     "recipe.toml:10: adam_epsilon = nan: must be a finite number > 0",
                     "recipe.toml:11: strange: unknown table; tables are [run] [data] [policy] [reference] [sampling] "
                     "[server] [reward] [objective] [maxent] [optimizer] [dist] [checkpoint] [metrics] [hub]",
                     "recipe.toml:14: quiet = 1: expected true or false",
                     "command line: --epsilon=-1: must be > 0",
                     "command line: --max_steps=0: must be -1 or >= 1",
                     "command line: --outputdir: unknown option; did you mean output_dir?",
                 });
}

TEST_CASE("options beyond their range, at every bound", "[config]") {
  const auto ok = [](const std::string& word) { return errors_of_words({word}).empty(); };
  for (const char* word : {"--temperature=1e-3", "--top_p=1", "--min_p=0", "--adam_beta1=0", "--warmup_ratio=1", "--max_steps=-1",
                           "--max_steps=1", "--num_generations=2", "--max_grad_norm=0"}) {
    INFO(word);
    CHECK(ok(word));
  }
  for (const char* word : {"--temperature=0", "--top_p=0", "--top_p=1.01", "--min_p=1", "--adam_beta1=1", "--warmup_ratio=1.1",
                           "--max_steps=-2", "--num_generations=1", "--seed=-1", "--learning_rate=inf", "--learning_rate=1e999",
                           "--seed=99999999999999999999", "--seed=0x10", "--seed=", "--seed=1__0", "--beta=1,0", "--eval_steps=0"}) {
    INFO(word);
    CHECK(!ok(word));
  }
}

TEST_CASE("an option and its alias", "[config]") {
  CHECK(load_text("r.toml", "init_kl_coeff = 0.04\n").recipe.objective.beta == 0.04);
  CHECK(load_text("r.toml", "init_kl_coeff = 0.04\nbeta = 0.04\n").recipe.objective.beta == 0.04);
  CHECK(errors_of("r.toml", "beta = 0.04\n\ninit_kl_coef = 0.05\n") ==
        Lines{"r.toml:3: init_kl_coef = 0.05: the same option as beta = 0.04 (r.toml:1) with another value; keep one"});
  CHECK(errors_of("r.toml", "seed = 1\n[run]\nseed = 2\n") ==
        Lines{"r.toml:3: seed = 2: the same option as seed = 1 (r.toml:1) with another value; keep one"});
  CHECK(load_words({"--init_kl_coef=2"}, kNeeded + "beta = 1\n").recipe.objective.beta == 2.0);
}

TEST_CASE("two names of an option on one command line", "[config]") {
  CHECK(errors_of_words({"--beta", "0.1", "--init_kl_coeff", "0.2"}) ==
        Lines{"command line: --init_kl_coeff=0.2: the same option as --beta=0.1 with another value; keep one"});
  CHECK(errors_of_words({"--clip_range=0.1", "--epsilon=0.2"}).size() == 1);
  CHECK(errors_of_words({"--gen_temperature=1", "--temperature=0.9"}).size() == 1);
  CHECK(load_words({"--beta=0.1", "--init_kl_coeff=0.1", "--kl_penalty_beta", "1e-1"}).recipe.objective.beta == 0.1);
  CHECK(load_words({"--beta=0.1", "--beta=0.2"}).recipe.objective.beta == 0.2);  // one name: later wins
}

TEST_CASE("null under one name says nothing against a value under another", "[config]") {
  for (const char* text : {"beta: null\ninit_kl_coeff: 3.0\n", "init_kl_coeff: 3.0\nbeta: null\n",
                           "kl_penalty_beta:\ninit_kl_coef: ~\ninit_kl_coeff: 3.0\n"}) {
    INFO(text);
    CHECK(load_text("r.yaml", text).recipe.objective.beta == 3.0);
  }
  CHECK(errors_of("r.yaml", "beta: 1\nbeta: null\n").size() == 1);
  CHECK(load_text("r.yaml", "beta: null\n", kNeeded + "beta = 1\n").recipe.objective.beta == 0.0);
}

TEST_CASE("null goes back to the option's own default", "[config]") {
  const std::string built_in = kNeeded + "eval_steps = 5\nmin_p = 0.5\nrun_name = \"x\"\n";
  const Recipe recipe = load_text("r.yaml", "eval_steps: null\nmin_p: ~\nrun_name:\n", built_in).recipe;
  CHECK_FALSE(recipe.metrics.eval_steps.has_value());
  CHECK(recipe.sampling.min_p == 0.0);
  CHECK_FALSE(recipe.run.run_name.has_value());
  CHECK_FALSE(load_words({"--eval_steps=None"}, built_in).recipe.metrics.eval_steps.has_value());
}

TEST_CASE("resuming is said in TRL's ways", "[config]") {
  const auto resume = [](const std::string& text) {
    return load_text("r.toml", "resume_from_checkpoint = " + text + "\n").recipe.checkpoint.resume_from_checkpoint;
  };
  CHECK(resume("false") == "no");
  CHECK(resume("true") == "auto");
  CHECK(resume("\"out/checkpoint-3\"") == "out/checkpoint-3");
  CHECK(errors_of("r.toml", "resume_from_checkpoint = 3\n").size() == 1);
}

TEST_CASE("files that are no recipes", "[config]") {
  const RecipeFiles files;
  const auto fails = [](const std::filesystem::path& path) {
    try {
      load_recipe(kNeeded, path, {});
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("loaded");
  };
  CHECK(fails(files.folder() / "none.toml").ends_with("none.toml: no such file"));
  CHECK(fails(files.write("recipe.json", "{}")).ends_with("a recipe's name ends in .toml, .yaml or .yml"));
  std::filesystem::create_directory(files.folder() / "d.toml");
  CHECK(fails(files.folder() / "d.toml").ends_with("d.toml: not a file"));
  CHECK(fails(files.write("s.toml", "seed = 1\nseed = = 2\n")).find("s.toml:2: ") != std::string::npos);
  CHECK(fails(files.write("c.toml", "config = \"x\"\n")).ends_with("config: belongs on the command line, not in a recipe"));
}
