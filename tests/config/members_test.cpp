// Each option is read into the member of its name: no two are exchanged, which a way there and back would not show.
#include "tests/config/recipe_files.hpp"

#include <catch2/catch.hpp>

using namespace grpo;
using namespace grpo::test;

TEST_CASE("[reference], [sampling] and [optimizer] read into the members of their names", "[config]") {
  const Recipe recipe = load_text("r.toml", R"(
reference_model_name_or_path = "models/r"
ref_model_mixup_alpha = 0.5
ref_model_sync_steps = 64
maxent_reference_ema_enabled = true
maxent_reference_ema_beta = 0.9
maxent_reference_ema_update_interval = 5
maxent_reference_ema_warmup_steps = 7
stop_sequences = ["x"]
dynamic_sampling = true
dynamic_sampling_max_rounds = 2
soft_punish_cache = 16
steps_per_generation = 3
num_iterations = 2
)")
                            .recipe;
  ReferenceOptions reference;
  reference.reference_model_name_or_path = "models/r";
  reference.ref_model_mixup_alpha = 0.5;
  reference.ref_model_sync_steps = 64;
  reference.maxent_reference_ema_enabled = true;
  reference.maxent_reference_ema_beta = 0.9;
  reference.maxent_reference_ema_update_interval = 5;
  reference.maxent_reference_ema_warmup_steps = 7;
  CHECK(recipe.reference == reference);
  CHECK(load_words({"--sync_ref_model"}).recipe.reference.sync_ref_model);
  CHECK(recipe.sampling.stop_sequences == std::vector<std::string>{"x"});
  CHECK(recipe.sampling.dynamic_sampling);
  CHECK(recipe.sampling.dynamic_sampling_max_rounds == 2);
  CHECK(recipe.reward.soft_punish_cache == 16);
  CHECK(recipe.optimizer.steps_per_generation == 3);
  CHECK(recipe.optimizer.num_iterations == 2);
}

TEST_CASE("[objective] reads into the members of its names", "[config]") {
  const ObjectiveOptions read = load_text("r.toml", R"(
epsilon = 0.11
epsilon_high = 0.12
delta = 13.0
sapo_temperature_neg = 0.14
sapo_temperature_pos = 0.15
vespo_k_pos = 0.16
vespo_lambda_pos = 0.17
vespo_k_neg = 0.18
vespo_lambda_neg = 0.19
beta = 0.21
kl_in_reward = true
kl_target = 0.22
kl_horizon = 23
kl_ctl_step_size = 0.24
top_entropy_quantile = 0.25
mask_truncated_completions = true
off_policy_mask_threshold = 0.26
entropy_coef = 0.27
entropy_target = 0.28
entropy_coef_delta = 0.29
entropy_coef_min = 0.31
entropy_coef_max = 0.32
vllm_importance_sampling_clip_max = 0.34
vllm_importance_sampling_clip_min = 0.33
)")
                                    .recipe.objective;
  ObjectiveOptions expected;
  expected.epsilon = 0.11;
  expected.epsilon_high = 0.12;
  expected.delta = 13.0;
  expected.sapo_temperature_neg = 0.14;
  expected.sapo_temperature_pos = 0.15;
  expected.vespo_k_pos = 0.16;
  expected.vespo_lambda_pos = 0.17;
  expected.vespo_k_neg = 0.18;
  expected.vespo_lambda_neg = 0.19;
  expected.beta = 0.21;
  expected.kl_in_reward = true;
  expected.kl_target = 0.22;
  expected.kl_horizon = 23.0;
  expected.kl_ctl_step_size = 0.24;
  expected.top_entropy_quantile = 0.25;
  expected.mask_truncated_completions = true;
  expected.off_policy_mask_threshold = 0.26;
  expected.entropy_coef = 0.27;
  expected.entropy_target = 0.28;
  expected.entropy_coef_delta = 0.29;
  expected.entropy_coef_min = 0.31;
  expected.entropy_coef_max = 0.32;
  expected.vllm_importance_sampling_clip_max = 0.34;
  expected.vllm_importance_sampling_clip_min = 0.33;
  CHECK(read == expected);
  CHECK(load_words({"--exclude_zero_std_groups"}).recipe.objective.exclude_zero_std_groups);
  CHECK(load_words({"--use_adaptive_entropy"}).recipe.objective.use_adaptive_entropy);
  CHECK_FALSE(load_words({"--use_bias_correction_kl=no"}).recipe.objective.use_bias_correction_kl);
  CHECK_FALSE(load_words({"--vllm_importance_sampling_correction=no"}).recipe.objective.vllm_importance_sampling_correction);
}

TEST_CASE("[maxent] reads into the members of its names", "[config]") {
  const MaxentOptions read = load_text("r.toml", R"(
maxent_tau = 0.11
maxent_q_temperature = 0.12
maxent_q_epsilon = 0.013
maxent_length_normalize_policy = true
maxent_target_weight_entropy = 0.14
maxent_target_weight_entropy_final = 0.15
maxent_target_weight_entropy_horizon = 16
maxent_tau_min = 0.17
maxent_tau_max = 0.18
maxent_tau_warmup_steps = 19
maxent_tau_final = 0.21
maxent_tau_horizon = 22
maxent_clip_objective_coef = 0.23
maxent_clip_adv_baseline = 0.24
maxent_clip_range = 0.25
maxent_alpha = 0.26
maxent_alpha_raise_on_low_kl = true
maxent_alpha_kl_threshold = 0.27
maxent_alpha_kl_gain = 0.28
maxent_alpha_kl_max_multiplier = 0.31
maxent_alpha_kl_min_multiplier = 0.29
maxent_hybrid_coef = 0.32
maxent_hybrid_coef_final = 0.33
maxent_hybrid_horizon = 34
)")
                                 .recipe.maxent;
  MaxentOptions expected;
  expected.maxent_tau = 0.11;
  expected.maxent_q_temperature = 0.12;
  expected.maxent_q_epsilon = 0.013;
  expected.maxent_length_normalize_policy = true;
  expected.maxent_target_weight_entropy = 0.14;
  expected.maxent_target_weight_entropy_final = 0.15;
  expected.maxent_target_weight_entropy_horizon = 16;
  expected.maxent_tau_min = 0.17;
  expected.maxent_tau_max = 0.18;
  expected.maxent_tau_warmup_steps = 19;
  expected.maxent_tau_final = 0.21;
  expected.maxent_tau_horizon = 22;
  expected.maxent_clip_objective_coef = 0.23;
  expected.maxent_clip_adv_baseline = 0.24;
  expected.maxent_clip_range = 0.25;
  expected.maxent_alpha = 0.26;
  expected.maxent_alpha_raise_on_low_kl = true;
  expected.maxent_alpha_kl_threshold = 0.27;
  expected.maxent_alpha_kl_gain = 0.28;
  expected.maxent_alpha_kl_max_multiplier = 0.31;
  expected.maxent_alpha_kl_min_multiplier = 0.29;
  expected.maxent_hybrid_coef = 0.32;
  expected.maxent_hybrid_coef_final = 0.33;
  expected.maxent_hybrid_horizon = 34;
  CHECK(read == expected);
  const auto one = [](const std::string& word) { return load_words({word}).recipe.maxent; };
  CHECK(one("--maxent_target_weight_entropy_fraction=0.5").maxent_target_weight_entropy_fraction == 0.5);
  CHECK(one("--maxent_tau_lr=0.5").maxent_tau_lr == 0.5);
  CHECK_FALSE(one("--maxent_length_normalize_ref=no").maxent_length_normalize_ref);
  CHECK_FALSE(one("--maxent_listwise_skip_zero_variance_groups=no").maxent_listwise_skip_zero_variance_groups);
  CHECK(one("--maxent_tau_only_denominator").maxent_tau_only_denominator);
  CHECK(one("--maxent_use_clip_objective").maxent_use_clip_objective);
  CHECK(one("--maxent_xdr_mode_adaptive").maxent_xdr_mode_adaptive);
  CHECK(one("--maxent_alpha_lower_on_high_kl").maxent_alpha_lower_on_high_kl);
  CHECK(one("--maxent_alpha_disable_outside_trust_zone").maxent_alpha_disable_outside_trust_zone);
}
