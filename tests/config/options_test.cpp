// The options of the objectives: what their values are called, infinity and NaN, hints, further names.
#include "libgrpo/config/field.hpp"
#include "libgrpo/config/print.hpp"
#include "tests/config/recipe_files.hpp"

#include <catch2/catch.hpp>

#include <limits>

using namespace grpo;
using namespace grpo::test;
using Lines = std::vector<std::string>;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Each spelling selects the enumerator of that name.
template <class E, class Get>
void check_names(const std::string& option, const std::vector<std::pair<std::string, E>>& names, Get get) {
  for (const auto& [name, value] : names) {
    INFO(option << " " << name);
    const Recipe recipe = load_words({"--" + option + "=" + name}).recipe;
    CHECK(get(recipe) == value);
    CHECK(to_toml(load_words({"--" + option + "=" + name}), false).find("\n" + option + " = \"" + name + "\"\n") != std::string::npos);
  }
  Recipe recipe;
  for (const Field& field : fields(recipe)) {
    if (field.name == option) CHECK(std::get<EnumSlot>(field.slot).names.size() == names.size());
  }
}

}  // namespace

TEST_CASE("enums are spelled like their enumerators", "[config]") {
  check_names<LossType>("loss_type",
                        {{"grpo", LossType::grpo},
                         {"bnpo", LossType::bnpo},
                         {"dr_grpo", LossType::dr_grpo},
                         {"dapo", LossType::dapo},
                         {"cispo", LossType::cispo},
                         {"sapo", LossType::sapo},
                         {"luspo", LossType::luspo},
                         {"vespo", LossType::vespo}},
                        [](const Recipe& r) { return r.objective.loss_type; });
  check_names<ImportanceSamplingLevel>("importance_sampling_level",
                                       {{"token", ImportanceSamplingLevel::token}, {"sequence", ImportanceSamplingLevel::sequence}},
                                       [](const Recipe& r) { return r.objective.importance_sampling_level; });
  check_names<AdvantageEstimator>("advantage_estimator",
                                  {{"grpo", AdvantageEstimator::grpo},
                                   {"rloo", AdvantageEstimator::rloo},
                                   {"reinforce_plus_plus", AdvantageEstimator::reinforce_plus_plus},
                                   {"reinforce_plus_plus_baseline", AdvantageEstimator::reinforce_plus_plus_baseline}},
                                  [](const Recipe& r) { return r.objective.advantage_estimator; });
  check_names<ScaleRewards>("scale_rewards", {{"group", ScaleRewards::group}, {"batch", ScaleRewards::batch}, {"none", ScaleRewards::none}},
                            [](const Recipe& r) { return r.objective.scale_rewards; });
  check_names<MultiObjectiveAggregation>("multi_objective_aggregation",
                                         {{"sum_then_normalize", MultiObjectiveAggregation::sum_then_normalize},
                                          {"normalize_then_sum", MultiObjectiveAggregation::normalize_then_sum}},
                                         [](const Recipe& r) { return r.objective.multi_objective_aggregation; });
  check_names<KlEstimator>("kl_estimator", {{"k1", KlEstimator::k1}, {"k2", KlEstimator::k2}, {"k3", KlEstimator::k3}},
                           [](const Recipe& r) { return r.objective.kl_estimator; });
  check_names<SamplerCorrection>("vllm_importance_sampling_mode",
                                 {{"token_truncate", SamplerCorrection::token_truncate},
                                  {"token_mask", SamplerCorrection::token_mask},
                                  {"sequence_truncate", SamplerCorrection::sequence_truncate},
                                  {"sequence_mask", SamplerCorrection::sequence_mask}},
                                 [](const Recipe& r) { return r.objective.vllm_importance_sampling_mode; });
  check_names<MaxentObjective>("maxent_objective",
                               {{"none", MaxentObjective::none},
                                {"listwise", MaxentObjective::listwise},
                                {"weighted_mle", MaxentObjective::weighted_mle},
                                {"clip", MaxentObjective::clip},
                                {"xdr", MaxentObjective::xdr},
                                {"token_entropy", MaxentObjective::token_entropy},
                                {"hybrid", MaxentObjective::hybrid}},
                               [](const Recipe& r) { return r.maxent.maxent_objective; });
}

TEST_CASE("a misspelt word: what it may have been", "[config]") {
  CHECK(errors_of("r.yaml", "scale_rewards: goup\n") ==
        Lines{"r.yaml:1: scale_rewards = goup: expected group, batch or none; did you mean group?"});
  CHECK(errors_of("r.toml", "scale_rewards = \"goup\"\n") ==
        Lines{"r.toml:1: scale_rewards = \"goup\": expected group, batch or none; did you mean group?"});
  CHECK(errors_of_words({"--loss_type=DAPO"}).at(0).ends_with("or vespo; did you mean dapo?"));
  CHECK(errors_of_words({"--maxent_objective=list-wise"}).at(0).ends_with("or hybrid; did you mean listwise?"));
  CHECK(errors_of_words({"--kl_estimator=schulman"}) == Lines{"command line: --kl_estimator=schulman: expected k1, k2 or k3"});
  CHECK(errors_of("r.toml", "scale_rewards = 3\n") == Lines{"r.toml:1: scale_rewards = 3: expected group, batch or none"});
}

TEST_CASE("tau may be infinite, in every way to write it", "[config]") {
  for (const char* word : {"inf", "+inf", ".inf", "+.inf", ".Inf", "INF", "infinity"}) {
    INFO(word);
    CHECK(load_words({std::string("--maxent_tau=") + word}).recipe.maxent.maxent_tau == kInfinity);
    CHECK(load_text("r.yaml", std::string("maxent_tau: ") + word + "\n").recipe.maxent.maxent_tau == kInfinity);
  }
  const LoadedRecipe loaded = load_text("r.toml", "[maxent]\nmaxent_tau = inf\n");
  CHECK(loaded.recipe.maxent.maxent_tau == kInfinity);
  CHECK(load_text("r.toml", "maxent_tau = +inf\n").recipe.maxent.maxent_tau == kInfinity);
  const std::string text = to_toml(loaded, true);
  CHECK(text.find("\nmaxent_tau = inf ") != std::string::npos);
  CHECK(load_text("again.toml", text, "").recipe == loaded.recipe);

  CHECK(errors_of_words({"--maxent_tau=-1"}) == Lines{"command line: --maxent_tau=-1: must be >= 0"});
  CHECK(errors_of_words({"--maxent_tau=-inf"}) == Lines{"command line: --maxent_tau=-inf: must be >= 0"});
  CHECK(errors_of("r.yaml", "maxent_tau: -.inf\n") == Lines{"r.yaml:1: maxent_tau = -.inf: must be >= 0"});
  CHECK(errors_of("r.toml", "maxent_tau = -inf\n") == Lines{"r.toml:1: maxent_tau = -inf: must be >= 0"});
  CHECK(errors_of_words({"--maxent_tau=1e999"}).size() == 1);
}

TEST_CASE("no other number may be infinite, and none NaN", "[config]") {
  Recipe recipe;
  std::size_t tried = 0;
  for (const Field& field : fields(recipe)) {
    const bool number = std::holds_alternative<double*>(field.slot) || std::holds_alternative<std::optional<double>*>(field.slot);
    if (!number) continue;
    ++tried;
    INFO(field.name);
    const std::string range = field.range.text().empty() ? "" : " " + field.range.text();
    const std::string must = (field.range.infinite ? ": must be a number" : ": must be a finite number") + range;
    CHECK(field.range.infinite == (field.name == "maxent_tau"));
    for (const char* word : {"nan", "-nan", "inf"}) {
      if (field.range.infinite && word == std::string("inf")) continue;
      CHECK(errors_of_words({"--" + field.name + "=" + word}) == Lines{"command line: --" + field.name + "=" + word + must});
    }
    CHECK(errors_of("r.toml", field.name + " = nan\n") == Lines{"r.toml:1: " + field.name + " = nan" + must});
    CHECK(errors_of("r.yaml", field.name + ": .nan\n") == Lines{"r.yaml:1: " + field.name + " = .nan" + must});
  }
  CHECK(tried > 50);
  CHECK(errors_of_words({"--learning_rate=inf"}) == Lines{"command line: --learning_rate=inf: must be a finite number >= 0"});
  CHECK(errors_of_words({"--reward_weights=nan"}) == Lines{"command line: --reward_weights=[nan]: must be a finite number"});
  CHECK(errors_of("r.toml", "dataset_mixture = {datasets = [{id = \"a\", weight = nan}]}\n").size() == 1);
}

TEST_CASE("ranges of the objectives' options, at every bound", "[config]") {
  const auto ok = [](const std::string& word) { return errors_of_words({word}).empty(); };
  for (const char* word : {"--epsilon=1e-4", "--delta=0.5", "--beta=0", "--maxent_tau=0", "--maxent_q_epsilon=0.1", "--entropy_coef=-0.1",
                           "--top_entropy_quantile=1", "--maxent_alpha=0", "--maxent_alpha=1", "--ref_model_mixup_alpha=0",
                           "--ref_model_mixup_alpha=1", "--maxent_tau_warmup_steps=-1", "--maxent_tau_warmup_steps=0", "--num_iterations=1",
                           "--steps_per_generation=1", "--off_policy_mask_threshold=0", "--top_k=-1", "--top_k=0"}) {
    INFO(word);
    CHECK(ok(word));
  }
  for (const char* word : {"--epsilon=0",
                           "--epsilon_high=0",
                           "--delta=0",
                           "--beta=-0.1",
                           "--maxent_q_epsilon=0",
                           "--maxent_q_epsilon=0.5",
                           "--maxent_q_temperature=0",
                           "--top_entropy_quantile=0",
                           "--top_entropy_quantile=1.01",
                           "--maxent_alpha=1.1",
                           "--maxent_alpha=-0.1",
                           "--ref_model_mixup_alpha=1.5",
                           "--maxent_reference_ema_beta=1.5",
                           "--maxent_reference_ema_update_interval=0",
                           "--ref_model_sync_steps=0",
                           "--maxent_tau_warmup_steps=-2",
                           "--num_iterations=0",
                           "--steps_per_generation=0",
                           "--off_policy_mask_threshold=-1",
                           "--top_k=-2",
                           "--maxent_target_weight_entropy=0",
                           "--maxent_clip_adv_baseline=1.5",
                           "--maxent_clip_range=0",
                           "--maxent_alpha_kl_threshold=0",
                           "--kl_horizon=-1",
                           "--vllm_importance_sampling_clip_max=0",
                           "--soft_punish_cache=0",
                           "--dynamic_sampling_max_rounds=0",
                           "--sapo_temperature_neg=0",
                           "--vespo_k_pos=-1"}) {
    INFO(word);
    CHECK_FALSE(ok(word));
  }
}

TEST_CASE("further names of options", "[config]") {
  const Recipe recipe = load_text("r.yaml", R"(gen_temperature: 0.8
gen_top_p: 0.9
gen_top_k: -1
clip_range: 0.05
clip_range_high: 0.06
clip_delta: 3
kl_penalty_beta: 0.5
evaluation_strategy: steps
eval_dataset_name: sums
vllm_importance_sampling_cap: 2
grpo_loss_type: dr_grpo
objective: maxent_listwise
)",
                                  kNeeded + "top_k = 5\n")
                            .recipe;
  CHECK(recipe.sampling.temperature == 0.8);
  CHECK(recipe.sampling.top_p == 0.9);
  CHECK(recipe.sampling.top_k == 0);
  CHECK(load_text("r.toml", "top_k = -1\n", kNeeded + "top_k = 5\n").recipe.sampling.top_k == 0);
  CHECK(recipe.objective.epsilon == 0.05);
  CHECK(recipe.objective.epsilon_high == 0.06);
  CHECK(recipe.objective.delta == 3.0);
  CHECK(recipe.objective.beta == 0.5);
  CHECK(recipe.metrics.eval_strategy == EvalStrategy::steps);
  CHECK(recipe.objective.vllm_importance_sampling_clip_max == 2.0);
  CHECK(recipe.objective.loss_type == LossType::dr_grpo);
  CHECK(recipe.maxent.maxent_objective == MaxentObjective::listwise);
  const auto objective = [](const std::string& word) {
    return load_words({"--objective=" + word}, kNeeded + "maxent_objective = \"clip\"\n").recipe.maxent.maxent_objective;
  };
  CHECK(objective("grpo") == MaxentObjective::none);
  CHECK(objective("maxent_entropy") == MaxentObjective::token_entropy);
  CHECK(load_words({"--init_kl_coeff=0.25"}).recipe.objective.beta == 0.25);
  CHECK(load_words({"--init_kl_coef=0.25"}).recipe.objective.beta == 0.25);
}

TEST_CASE("stop sequences as maxent-grpo writes them", "[config]") {
  const auto stops = [](const std::string& yaml) {
    return load_text("r.yaml", "vllm_stop_sequences: " + yaml + "\n").recipe.sampling.stop_sequences;
  };
  CHECK(stops("[\"</answer>\", \"</answer>\\n\"]") == Lines{"</answer>", "</answer>\n"});
  CHECK(stops("\"</answer>||</assistant>\"") == Lines{"</answer>", "</assistant>"});
  CHECK(stops("'[\"a\", \"b||c\"]'") == Lines{"a", "b||c"});
  CHECK(stops("'[END]'") == Lines{"[END]"});
  CHECK(stops("</answer>") == Lines{"</answer>"});
  CHECK(stops("null").empty());
  CHECK(stops("[]").empty());
  CHECK(load_words({"--vllm_stop_sequences", "a||b"}).recipe.sampling.stop_sequences == Lines{"a", "b"});
  CHECK(load_words({"--stop_sequences", "a||b"}).recipe.sampling.stop_sequences == Lines{"a||b"});
  CHECK(errors_of("r.yaml", "vllm_stop_sequences: {a: b}\n").size() == 1);
  CHECK(errors_of("r.yaml", "vllm_stop_sequences: [[a]]\n").size() == 1);
  CHECK(errors_of("r.yaml", "vllm_stop_sequences: a||\n").size() == 1);  // an empty one
}

TEST_CASE("a bound whose default is a number can be taken away", "[config]") {
  const auto bound = [](const LoadedRecipe& loaded) { return loaded.recipe.objective.vllm_importance_sampling_clip_max; };
  CHECK(bound(load_words({})) == 3.0);
  for (const char* text : {"null", "~", "None", "none"}) {
    INFO(text);
    const LoadedRecipe loaded = load_text("r.yaml", std::string("vllm_importance_sampling_clip_max: ") + text + "\n");
    CHECK_FALSE(bound(loaded).has_value());
    const std::string toml = to_toml(loaded, false);
    CHECK(toml.find("\nvllm_importance_sampling_clip_max = \"none\"\n") != std::string::npos);
    CHECK(load_text("again.toml", toml, "").recipe == loaded.recipe);
  }
  CHECK_FALSE(bound(load_words({"--vllm_importance_sampling_cap=none"})).has_value());
  CHECK(load_text("r.toml", "chat_template = \"none\"\n").recipe.data.chat_template == "none");  // a text stays one
}
