/// Options of what is optimised: the GRPO family ([objective]) and MaxEnt-GRPO ([maxent]). What each means is said in the
/// field list (fields_objective.cpp) and, with formulas, in libgrpo/objective/.
#pragma once

#include <cstdint>
#include <optional>

namespace grpo {

enum class LossType { grpo, bnpo, dr_grpo, dapo, cispo, sapo, luspo, vespo };
enum class ImportanceSamplingLevel { token, sequence };
enum class AdvantageEstimator { grpo, rloo, reinforce_plus_plus, reinforce_plus_plus_baseline };
enum class ScaleRewards { group, batch, none };
enum class MultiObjectiveAggregation { sum_then_normalize, normalize_then_sum };
enum class KlEstimator { k1, k2, k3 };
enum class SamplerCorrection { token_truncate, token_mask, sequence_truncate, sequence_mask };
enum class MaxentObjective { none, listwise, weighted_mle, clip, xdr, token_entropy, hybrid };

/// GRPO family. Names and defaults are TRL's where TRL has the option.
struct ObjectiveOptions {
  LossType loss_type = LossType::dapo;
  ImportanceSamplingLevel importance_sampling_level = ImportanceSamplingLevel::token;
  double epsilon = 0.2;
  std::optional<double> epsilon_high;  ///< unset: epsilon; for cispo, where it caps the ratio itself: kCispoCap
  std::optional<double> delta;
  double sapo_temperature_neg = 1.05;
  double sapo_temperature_pos = 1.0;
  double vespo_k_pos = 2.0;
  double vespo_lambda_pos = 3.0;
  double vespo_k_neg = 3.0;
  double vespo_lambda_neg = 2.0;

  AdvantageEstimator advantage_estimator = AdvantageEstimator::grpo;
  ScaleRewards scale_rewards = ScaleRewards::group;
  MultiObjectiveAggregation multi_objective_aggregation = MultiObjectiveAggregation::sum_then_normalize;

  double beta = 0.0;
  KlEstimator kl_estimator = KlEstimator::k3;
  bool kl_in_reward = false;
  bool use_bias_correction_kl = true;
  double kl_target = 0.0;         ///< 0: no controller
  double kl_horizon = 0.0;        ///< 0: no controller
  double kl_ctl_step_size = 0.0;  ///< 0: no controller

  double top_entropy_quantile = 1.0;
  bool mask_truncated_completions = false;
  bool exclude_zero_std_groups = false;
  std::optional<double> off_policy_mask_threshold;

  double entropy_coef = 0.0;
  bool use_adaptive_entropy = false;
  double entropy_target = 0.2;
  double entropy_coef_delta = 0.005;
  double entropy_coef_min = 0.0;
  double entropy_coef_max = 1.0;

  bool vllm_importance_sampling_correction = true;
  SamplerCorrection vllm_importance_sampling_mode = SamplerCorrection::sequence_mask;
  std::optional<double> vllm_importance_sampling_clip_max = 3.0;
  std::optional<double> vllm_importance_sampling_clip_min;
  bool operator==(const ObjectiveOptions&) const = default;

  bool controls_beta() const { return kl_target > 0.0 && kl_horizon > 0.0 && kl_ctl_step_size > 0.0; }
};

inline constexpr double kCispoCap = 5.0;

/// MaxEnt-GRPO. Names are maxent-grpo's where it has the option.
struct MaxentOptions {
  MaxentObjective maxent_objective = MaxentObjective::none;
  double maxent_tau = 0.2;  ///< may be infinite
  double maxent_q_temperature = 1.0;
  double maxent_q_epsilon = 1e-6;
  bool maxent_length_normalize_ref = true;
  bool maxent_length_normalize_policy = false;
  bool maxent_tau_only_denominator = false;
  bool maxent_listwise_skip_zero_variance_groups = true;

  std::optional<double> maxent_target_weight_entropy;           ///< nats
  std::optional<double> maxent_target_weight_entropy_fraction;  ///< of log num_generations
  std::optional<double> maxent_target_weight_entropy_final;     ///< nats
  std::int64_t maxent_target_weight_entropy_horizon = 0;        ///< steps
  double maxent_tau_lr = 0.0;
  double maxent_tau_min = 0.0;
  double maxent_tau_max = 0.0;                ///< 0: no upper bound
  std::int64_t maxent_tau_warmup_steps = -1;  ///< -1: as many as the learning rate's
  std::optional<double> maxent_tau_final;
  std::int64_t maxent_tau_horizon = 0;  ///< steps of the anneal to maxent_tau_final

  bool maxent_use_clip_objective = false;
  double maxent_clip_objective_coef = 1.0;
  std::optional<double> maxent_clip_adv_baseline;  ///< unset: 1 / group size
  std::optional<double> maxent_clip_range;         ///< unset: epsilon and epsilon_high

  bool maxent_xdr_mode_adaptive = false;

  double maxent_alpha = 0.0;
  bool maxent_alpha_raise_on_low_kl = false;
  bool maxent_alpha_lower_on_high_kl = false;
  double maxent_alpha_kl_threshold = 0.04;
  double maxent_alpha_kl_gain = 1.0;
  double maxent_alpha_kl_max_multiplier = 2.0;
  double maxent_alpha_kl_min_multiplier = 0.5;
  bool maxent_alpha_disable_outside_trust_zone = false;

  double maxent_hybrid_coef = 0.3;
  std::optional<double> maxent_hybrid_coef_final;
  std::int64_t maxent_hybrid_horizon = 0;  ///< steps
  bool operator==(const MaxentOptions&) const = default;
};

}  // namespace grpo
