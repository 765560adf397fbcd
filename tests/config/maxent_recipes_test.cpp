// Recipes in the style of maxent-grpo load as they are; what has no meaning here gets its line.
#include "libgrpo/config/load.hpp"
#include "libgrpo/config/print.hpp"
#include "tests/config/recipe_files.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace grpo;
using namespace grpo::test;
using Lines = std::vector<std::string>;

namespace {

const std::string kFolder = "tests/config/recipes/";

LoadedRecipe load(const std::string& name, const Lines& words = {}, const std::string& built_in = "") {
  return load_recipe(built_in, kFolder + name, split(words).overrides);
}

Lines complaints(const std::string& name, const Lines& words = {}) {
  Lines all = {"--config", kFolder + name};
  all.insert(all.end(), words.begin(), words.end());
  return errors_of_words(all, "");
}

// The keys that were accepted without meaning, in the order of the file.
Lines meaningless(const LoadedRecipe& loaded) {
  Lines keys;
  for (const std::string& note : loaded.notes) {
    const std::size_t begin = note.find(": ") + 2;
    keys.push_back(note.substr(begin, note.find(": ", begin) - begin));
  }
  return keys;
}

std::string note_of(const LoadedRecipe& loaded, const std::string& key) {
  for (const std::string& note : loaded.notes) {
    if (note.find(": " + key + ": ") != std::string::npos) return note.substr(note.find(": " + key) + 2);
  }
  return {};
}

void check_shared(const Recipe& recipe) {
  CHECK(recipe.policy.model_name_or_path == "models/instruct-1.5b");
  CHECK(recipe.data.dataset_name == "open-r1/OpenR1-Math-220k");
  CHECK(recipe.data.dataset_prompt_column == "problem");
  CHECK(recipe.data.dataset_solution_column == "answer");
  CHECK(recipe.data.system_prompt->find("<answer>") != std::string::npos);
  CHECK(recipe.checkpoint.overwrite_output_dir);
  CHECK(recipe.checkpoint.save_strategy == SaveStrategy::steps);
  CHECK(recipe.checkpoint.save_steps == 50);
  CHECK(recipe.checkpoint.save_total_limit == 1000);
  CHECK(recipe.metrics.log_completions);
  CHECK(recipe.metrics.logging_steps == 1);
  CHECK(recipe.optimizer.learning_rate == 5e-6);
  CHECK(recipe.optimizer.lr_scheduler_type == SchedulerType::cosine);
  CHECK(recipe.optimizer.warmup_ratio == 0.2);
  CHECK(recipe.optimizer.adam_beta2 == 0.99);
  CHECK(recipe.optimizer.adam_epsilon == 1e-6);
  CHECK(recipe.optimizer.max_grad_norm == 0.15);
  CHECK(recipe.sampling.num_generations == 4);
  CHECK(recipe.reward.reward_funcs == Lines{"pure_accuracy_math"});
  CHECK(recipe.reward.reward_weights == std::vector<double>{1.0});
  CHECK(recipe.objective.kl_target == 0.07);
  CHECK(recipe.objective.controls_beta());
  CHECK(recipe.run.seed == 42);
}

void check_round_trip(const LoadedRecipe& loaded) { CHECK(load_text("resolved.toml", to_toml(loaded, true), "").recipe == loaded.recipe); }

}  // namespace

TEST_CASE("an early GRPO recipe", "[config]") {
  const LoadedRecipe loaded = load("grpo_2025_11_early.yaml");
  const Recipe& recipe = loaded.recipe;
  check_shared(recipe);
  check_round_trip(loaded);
  CHECK(recipe.checkpoint.resume_from_checkpoint == "auto");
  CHECK(recipe.metrics.eval_strategy == EvalStrategy::no);
  CHECK(recipe.run.max_steps == -1);
  CHECK(recipe.run.num_train_epochs == 3.0);
  CHECK(recipe.data.max_prompt_length == 2048);
  CHECK(recipe.sampling.max_completion_length == 1000);
  CHECK(recipe.sampling.temperature == 1.0);
  CHECK(recipe.optimizer.completions_per_step() == 512);
  CHECK(recipe.objective.beta == 3.0);
  CHECK(recipe.objective.kl_horizon == 50000.0);
  CHECK(recipe.objective.kl_ctl_step_size == 0.15);
  CHECK(recipe.objective.epsilon == 0.05);
  CHECK(recipe.maxent == MaxentOptions{});
  CHECK(meaningless(loaded) == Lines{"attn_implementation", "bf16", "do_eval", "gradient_checkpointing_kwargs", "log_level",
                                     "logging_first_step", "logging_strategy", "per_device_eval_batch_size", "vf_coef",
                                     "advantage_normalization", "horizon", "reward_normalization", "gamma", "gae_lambda",
                                     "log_grad_norm_after_clip", "log_kl_per_token", "reward_clip", "advantage_clip", "clip_range_vf"});
  CHECK(recipe.hub.push_to_hub);
  CHECK(recipe.hub.hub_model_id == "nobody/instruct-1.5b-grpo");
  CHECK(recipe.hub.hub_strategy == HubStrategy::every_save);
  CHECK(note_of(loaded, "gae_lambda") == "gae_lambda: has no meaning here, ignored (nothing reads it, upstream either)");
}

TEST_CASE("an early MaxEnt-GRPO recipe", "[config]") {
  const LoadedRecipe loaded = load("maxent_2025_11_early.yaml", {}, "maxent_objective = \"listwise\"\n");
  const Recipe& recipe = loaded.recipe;
  check_shared(recipe);
  check_round_trip(loaded);
  CHECK(recipe.maxent.maxent_objective == MaxentObjective::listwise);
  CHECK(recipe.maxent.maxent_tau == 0.2);
  CHECK(recipe.maxent.maxent_q_temperature == 1.0);
  CHECK(recipe.maxent.maxent_q_epsilon == 1e-6);
  CHECK(recipe.maxent.maxent_length_normalize_ref);
  CHECK(recipe.sampling.temperature == 0.8);
  CHECK(recipe.sampling.top_p == 0.9);
  CHECK(recipe.data.max_prompt_length == 512);
  CHECK(recipe.sampling.max_completion_length == 750);
  CHECK(recipe.objective.beta == 3.0);
  CHECK(recipe.objective.kl_ctl_step_size == 0.15);
  CHECK(recipe.checkpoint.resume_from_checkpoint == "auto");
  CHECK(recipe.server.vllm_url == "http://localhost:29525/generate");
  CHECK_FALSE(recipe.server.uses_server());  // vllm_mode: colocate
}

TEST_CASE("a later MaxEnt-GRPO recipe asks for more entropy than there is", "[config]") {
  CHECK(complaints("maxent_2025_11_late.yaml") ==
        Lines{kFolder + "maxent_2025_11_late.yaml:35: maxent_target_weight_entropy: 1.4 is above log(num_generations) = log 4 = "
                        "1.386, the entropy of equal weights, which no weights exceed; lower it, or give a share of that in "
                        "maxent_target_weight_entropy_fraction"});
  CHECK(complaints("maxent_2025_11_late.yaml", {"--num_generations=8"}).empty());

  const LoadedRecipe loaded = load("maxent_2025_11_late.yaml", {"--maxent_target_weight_entropy=1.3"});
  const Recipe& recipe = loaded.recipe;
  check_shared(recipe);
  check_round_trip(loaded);
  CHECK(recipe.data.eval_dataset_name == "HuggingFaceH4/MATH-500");
  CHECK(recipe.metrics.eval_strategy == EvalStrategy::steps);
  CHECK(recipe.metrics.eval_steps == 10000);
  CHECK(recipe.checkpoint.resume_from_checkpoint == "no");
  CHECK(recipe.maxent.maxent_tau == 0.001);
  CHECK(recipe.maxent.maxent_q_temperature == 0.9);
  CHECK(recipe.maxent.maxent_target_weight_entropy == 1.3);
  CHECK(recipe.maxent.maxent_tau_lr == 0.05);
  CHECK(recipe.maxent.maxent_tau_min == 0.05);
  CHECK(recipe.maxent.maxent_tau_max == 2.0);
  CHECK(recipe.maxent.maxent_tau_warmup_steps == 200);
  CHECK(recipe.maxent.maxent_use_clip_objective);
  CHECK(recipe.maxent.maxent_clip_objective_coef == 1.0);
  CHECK(recipe.maxent.maxent_clip_adv_baseline == 0.125);
  CHECK(recipe.sampling.temperature == 0.7);
  CHECK(recipe.sampling.top_p == 0.8);
  CHECK(recipe.sampling.top_k == 32);
  CHECK(recipe.sampling.stop_sequences == Lines{"</answer>", "</answer>\n", "</assistant>"});
  CHECK(recipe.run.max_steps == 320);
  CHECK(recipe.optimizer.completions_per_step() == 128);
  CHECK(recipe.objective.epsilon == 0.05);
  CHECK(recipe.objective.beta == 1.0);
  CHECK(recipe.objective.kl_horizon == 5000.0);
  CHECK(recipe.objective.kl_ctl_step_size == 0.25);
  CHECK(note_of(loaded, "train_grpo_objective") ==
        "train_grpo_objective: has no meaning here, ignored (the app decides: grpo_train, or maxent_grpo_train for "
        "MaxEnt-GRPO)");
  for (const char* key : {"disable_distributed_sampler", "maxent_logprob_chunk_size", "vllm_return_logprobs", "gen_best_of"}) {
    INFO(key);
    CHECK_FALSE(note_of(loaded, key).empty());
  }
}

TEST_CASE("a later GRPO recipe with a KL controller", "[config]") {
  const LoadedRecipe loaded = load("grpo_2025_11_late.yaml");
  const Recipe& recipe = loaded.recipe;
  check_shared(recipe);
  check_round_trip(loaded);
  CHECK(recipe.maxent == MaxentOptions{});
  CHECK(recipe.objective.beta == 1.0);
  CHECK(recipe.objective.kl_horizon == 5000.0);
  CHECK(recipe.optimizer.completions_per_step() == 128);
  CHECK_FALSE(note_of(loaded, "train_grpo_objective").empty());
}

TEST_CASE("keys of maxent-grpo that would change the training are not passed over", "[config]") {
  const auto judge = [](const std::string& yaml) { return errors_of("r.yaml", yaml + "\n"); };
  struct Key {
    const char* neutral;
    const char* other;
  };
  for (const Key& key :
       {Key{"gen_best_of: 1", "gen_best_of: 2"}, Key{"controller_meta_enabled: false", "controller_meta_enabled: true"},
        Key{"info_seed_enabled: false", "info_seed_enabled: true"}, Key{"seed_grpo_enabled: False", "seed_grpo_enabled: true"},
        Key{"maxent_policy_entropy: false", "maxent_policy_entropy: true"},
        Key{"policy_entropy_bonus_coef: 0.0", "policy_entropy_bonus_coef: 0.01"},
        Key{"maxent_score_tail_tokens: null", "maxent_score_tail_tokens: 512"},
        Key{"maxent_reference_logprobs_source: model", "maxent_reference_logprobs_source: policy"},
        Key{"maxent_allow_empty_weight_fallback: false", "maxent_allow_empty_weight_fallback: true"},
        Key{"zero_truncated_completion_rewards: false", "zero_truncated_completion_rewards: true"},
        Key{"truncate_completions_at_first_boxed_answer: false", "truncate_completions_at_first_boxed_answer: true"},
        Key{"dr_grpo_denominator_mode: fixed_max", "dr_grpo_denominator_mode: active_tokens"},
        Key{"prompt_template: \"no\"", "prompt_template: r1"}, Key{"callbacks: []", "callbacks: [replay]"}}) {
    INFO(key.other);
    CHECK(judge(key.neutral).empty());
    const Lines lines = judge(key.other);
    REQUIRE(lines.size() == 1);
    CHECK(lines[0].find("; remove it or set it to ") != std::string::npos);
  }
  for (const char* any : {"maxent_logprob_chunk_size: 64",
                          "maxent_prompt_cache_size: 10000",
                          "maxent_score_slice_prefetch: 2",
                          "controller_meta_lr: 0.02",
                          "controller_overwrite_from_config: true",
                          "info_seed_num_seeds: 4",
                          "seed_grpo_alpha: 0.04",
                          "behavior_logprobs_source: vllm",
                          "maxent_share_reference_model: true",
                          "benchmarks: [math_500]",
                          "span_kl_target: 0.05",
                          "ppo_clip_range: 0.2",
                          "ppo_ppo_clip_range: 0.05",
                          "maxent_reference_logprobs_source: auto",
                          "grpo_beta_controller_enabled: false",
                          "log_like_grpo: true",
                          "vllm_sync_weights: true",
                          "wandb_watch: gradients",
                          "hub_always_push: true",
                          "push_to_hub_organization: null"}) {
    INFO(any);
    CHECK(judge(any).empty());
    CHECK(load_text("r.yaml", std::string(any) + "\n").notes.size() == 1);
  }
  CHECK(judge("train_grpo_objective: perhaps").empty());
}
