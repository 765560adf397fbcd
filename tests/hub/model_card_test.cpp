#include "libgrpo/hub/model_card.hpp"

#include "libgrpo/format/readme_head.hpp"
#include "tests/config/recipe_files.hpp"

#include <catch2/catch.hpp>

#include <cmath>

using namespace grpo;
using grpo::test::RecipeFiles;

namespace {

bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

const std::string kMetrics =
    "{\"step\":0,\"eval_reward\":0.25,\"eval_reward/low\":0.1}\n"
    "{\"step\":1,\"reward\":0.5,\"kl\":0.0,\"entropy\":null,\"time/step\":2.0}\n"
    "no json\n[]\n{\"step\":\"x\"}\n"
    "{\"step\":2,\"reward\":1.5,\"kl\":0.25,\"time/step\":4.0}\n"
    "{\"step\":2,\"eval_reward\":0.75,\"eval_new\":1.0}\n"
    "{\"step\":3,\"reward\":9.0}\n";

Recipe recipe_of(const std::string& model) {
  Recipe recipe;
  recipe.policy.model_name_or_path = model;
  recipe.data.dataset_name = "org/questions";
  recipe.reward.reward_funcs = {"format", "pure_accuracy_math"};
  return recipe;
}

ModelCard card_of(const RecipeFiles& files) {
  ModelCard card;
  card.name = "my run";
  card.objective = "GRPO, loss_type dapo";
  card.step = 2;
  card.total_steps = 2;
  card.prompts_per_step = 4;
  card.recipe_toml = "[run]\nseed = 42\n";
  card.record = read_run_record(files.write("metrics.jsonl", kMetrics), {"reward", "kl", "entropy"}, 2);
  return card;
}

}  // namespace

TEST_CASE("metrics.jsonl: curves, evaluations and seconds, up to a step", "[hub]") {
  const RecipeFiles files;
  const RunRecord record = read_run_record(files.write("m.jsonl", kMetrics), {"reward", "kl", "entropy"}, 2);
  CHECK(record.curves.at("reward") == RunRecord::Curve{{1, 0.5}, {2, 1.5}});
  CHECK(record.curves.at("kl").size() == 2);
  CHECK(record.curves.count("entropy") == 0);
  CHECK(record.evaluations.size() == 2);
  CHECK(record.evaluations.at(2).at("eval_reward") == 0.75);
  CHECK(record.seconds_per_step == 3.0);
  CHECK(read_run_record("/nonexistent", {"reward"}, 9).curves.empty());
}

TEST_CASE("curves are drawn: a panel each, means where points are many", "[hub]") {
  RunRecord record;
  CHECK(draw_curves(record, {{"a", "A"}}).empty());
  for (int i = 0; i < 1000; ++i) record.curves["a"].emplace_back(i + 1, i % 2 == 0 ? 0.0 : 2.0);
  record.curves["b"] = {{5, 3.0}};
  const std::string svg = draw_curves(record, {{"a", "first"}, {"gone", "none"}, {"b", "second"}});
  CHECK(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"720\" height=\"200\""));
  CHECK(holds(svg, ">first<"));
  CHECK(holds(svg, ">second<"));
  CHECK_FALSE(holds(svg, ">none<"));
  CHECK(svg.size() < 8000);
  CHECK(holds(svg, ">1<"));  // the mean of four points is 1 everywhere
  CHECK_FALSE(holds(svg, "nan"));
}

TEST_CASE("the head of a card names base, licence, data and tags, whatever their names are", "[hub]") {
  const RecipeFiles files;
  ModelCard card = card_of(files);
  card.base = {"other", "our: \"own\"", "https://example/licence", ""};
  Recipe recipe = recipe_of("org/base");
  recipe.data.dataset_mixture = DatasetMixture{};
  for (const char* id : {"org/more", "sums", "/data/own.jsonl"}) {
    recipe.data.dataset_mixture->datasets.emplace_back();
    recipe.data.dataset_mixture->datasets.back().id = id;
  }
  const std::string text = write_card(card, recipe);
  const std::string head = readme_head(files.write("README.md", text));
  CHECK(
      holds(head, "base_model: \"org/base\"\nbase_model_relation: \"finetune\"\nlicense: \"other\"\nlicense_name: \"our: \\\"own\\\"\"\n"));
  CHECK(holds(head, "datasets: [\"org/questions\", \"org/more\"]\n"));
  CHECK(holds(head, "library_name: \"transformers\"\npipeline_tag: \"text-generation\"\n"));
  CHECK(holds(head, "tags: [\"grpo\", \"libgrpo\", \"reinforcement-learning\"]"));
  recipe.policy.use_peft = true;
  recipe.maxent.maxent_objective = MaxentObjective::listwise;
  const std::string adapters = write_card(card, recipe);
  CHECK(holds(adapters, "library_name: \"peft\""));
  CHECK(holds(adapters, "base_model_relation: \"adapter\""));
  CHECK(holds(adapters, "tags: [\"maxent-grpo\", "));
}

TEST_CASE("a path is no name on the Hub; a GGUF file may say what it was made of", "[hub]") {
  const RecipeFiles files;
  ModelCard card = card_of(files);
  CHECK_FALSE(holds(write_card(card, recipe_of("/models/base")), "base_model:"));
  CHECK(holds(write_card(card, recipe_of("/models/base")), "Fine-tuned from `base`"));
  CHECK(holds(write_card(card, recipe_of("/models/base")), "look it up"));
  card.base.repo = "org/origin";
  CHECK(holds(write_card(card, recipe_of("/models/m.gguf")), "base_model: \"org/origin\""));
}

TEST_CASE("a card tells how the model was made", "[hub]") {
  const RecipeFiles files;
  const std::string text = write_card(card_of(files), recipe_of("org/base"));
  CHECK(holds(text, "# my run\n"));
  CHECK(holds(text, "- steps: 2 of 2, each with 4 prompts x 8 completions"));
  CHECK(holds(text, "- time: 3 s a step, about 6 s in all"));
  CHECK(holds(text, "](training_curves.svg)"));
  CHECK(holds(text, "| metric | step 0 | step 2 |\n"));
  CHECK(holds(text, "| `reward` | 0.25 | 0.75 |\n"));
  CHECK(holds(text, "| `new` |  | 1 |\n"));
  CHECK_FALSE(holds(text, "/low"));
  CHECK(holds(text, "```toml\n[run]\nseed = 42\n```\n"));
  CHECK(holds(text, "DeepSeekMath"));
  ModelCard bare = card_of(files);
  bare.record = {};
  const std::string short_text = write_card(bare, recipe_of("org/base"));
  CHECK_FALSE(holds(short_text, "## Evaluation"));
  CHECK_FALSE(holds(short_text, ".svg"));
}

TEST_CASE("citations follow the recipe", "[hub]") {
  Recipe recipe;
  recipe.objective.loss_type = LossType::grpo;
  CHECK(holds(citations(recipe), "2402.03300"));
  CHECK_FALSE(holds(citations(recipe), "2503.14476"));
  recipe.objective.loss_type = LossType::dapo;
  CHECK(holds(citations(recipe), "2503.14476"));
  recipe.objective.importance_sampling_level = ImportanceSamplingLevel::sequence;
  CHECK(holds(citations(recipe), "2507.18071"));
  recipe.maxent.maxent_objective = MaxentObjective::listwise;
  CHECK(holds(citations(recipe), "MaxEnt-GRPO"));
  CHECK_FALSE(holds(citations(recipe), "2503.14476"));
  recipe.maxent.maxent_objective = MaxentObjective::xdr;
  CHECK(holds(citations(recipe), "2503.20783"));
}
