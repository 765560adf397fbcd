#include "libgrpo/config/checks.hpp"
#include "libgrpo/config/value.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace grpo {
namespace {

void check_kl_controller(const ObjectiveOptions& o, Problems& problems) {
  if (o.controls_beta() && o.beta <= 0.0) {
    problems.push_back({{"beta", "kl_target", "kl_horizon", "kl_ctl_step_size"},
                        "is 0 and would stay there: the controller that kl_target, kl_horizon and kl_ctl_step_size "
                        "switch on multiplies it; set beta above 0, or one of the three to 0"});
  }
}

void check_clips(const ObjectiveOptions& o, Problems& problems) {
  if (o.loss_type == LossType::cispo && o.epsilon_high && *o.epsilon_high < 1.0) {
    problems.push_back({{"epsilon_high", "loss_type"},
                        fmt::format("{} is a distance from 1, but in loss_type cispo it bounds the ratio itself; set "
                                    "it to about 5, or leave it out",
                                    show_number(*o.epsilon_high))});
  }
}

void check_entropy_controller(const ObjectiveOptions& o, Problems& problems) {
  if (o.entropy_coef_min > o.entropy_coef_max) {
    problems.push_back(
        {{"entropy_coef_min", "entropy_coef_max"},
         fmt::format("{} is above entropy_coef_max = {}", show_number(o.entropy_coef_min), show_number(o.entropy_coef_max))});
  } else if (o.use_adaptive_entropy && (o.entropy_coef < o.entropy_coef_min || o.entropy_coef > o.entropy_coef_max)) {
    problems.push_back({{"entropy_coef", "entropy_coef_min", "entropy_coef_max", "use_adaptive_entropy"},
                        fmt::format("{} is outside of entropy_coef_min {} to entropy_coef_max {}, where "
                                    "use_adaptive_entropy keeps it; start it inside, or widen them",
                                    show_number(o.entropy_coef), show_number(o.entropy_coef_min), show_number(o.entropy_coef_max))});
  }
}

void check_sampler_correction(const ObjectiveOptions& o, Problems& problems) {
  const auto& low = o.vllm_importance_sampling_clip_min;
  const auto& high = o.vllm_importance_sampling_clip_max;
  const SamplerCorrection mode = o.vllm_importance_sampling_mode;
  const bool truncates = mode == SamplerCorrection::token_truncate || mode == SamplerCorrection::sequence_truncate;
  if (low && high && *low > *high) {
    problems.push_back({{"vllm_importance_sampling_clip_min", "vllm_importance_sampling_clip_max"},
                        fmt::format("{} is above vllm_importance_sampling_clip_max = {}", show_number(*low), show_number(*high))});
  }
  if (o.vllm_importance_sampling_correction && truncates && !low && !high) {
    problems.push_back({{"vllm_importance_sampling_mode", "vllm_importance_sampling_clip_max", "vllm_importance_sampling_clip_min",
                         "vllm_importance_sampling_correction"},
                        fmt::format("{} needs a bound to truncate at: set vllm_importance_sampling_clip_max or "
                                    "vllm_importance_sampling_clip_min, or vllm_importance_sampling_correction to false",
                                    mode == SamplerCorrection::token_truncate ? "token_truncate" : "sequence_truncate")});
  }
}

void check_reference(const ReferenceOptions& o, Problems& problems) {
  if (o.sync_ref_model && o.maxent_reference_ema_enabled) {
    problems.push_back({{"sync_ref_model", "maxent_reference_ema_enabled"},
                        "both it and maxent_reference_ema_enabled move the reference model; keep one"});
  }
}

// A value that goes in a straight line to its end: the end and the steps to it come together.
void check_course(bool has_end, const char* end, std::int64_t steps, const char* horizon, Problems& problems) {
  if (has_end && steps == 0) {
    problems.push_back({{end, horizon}, fmt::format("needs {}, the steps until it is reached", horizon)});
  }
  if (!has_end && steps > 0) {
    problems.push_back({{horizon, end}, fmt::format("{} steps to what end? It needs {}", steps, end)});
  }
}

// No weights of a group spread further than equal ones, whose entropy is log G.
void check_entropy_reachable(const char* name, const std::optional<double>& target, std::int64_t group, Problems& problems) {
  const double most = std::log(static_cast<double>(group));
  if (!target || group < 1 || *target <= most) return;
  problems.push_back({{name, "num_generations"},
                      fmt::format("{} is above log(num_generations) = log {} = {:.3f}, the entropy of equal weights, "
                                  "which no weights exceed; lower it, or give a share of that in "
                                  "maxent_target_weight_entropy_fraction",
                                  show_number(*target), group, most)});
}

void check_weight_entropy(const MaxentOptions& o, std::int64_t group, Problems& problems) {
  check_entropy_reachable("maxent_target_weight_entropy", o.maxent_target_weight_entropy, group, problems);
  check_entropy_reachable("maxent_target_weight_entropy_final", o.maxent_target_weight_entropy_final, group, problems);
  const bool starts = o.maxent_target_weight_entropy || o.maxent_target_weight_entropy_fraction;
  if (o.maxent_target_weight_entropy && o.maxent_target_weight_entropy_fraction) {
    problems.push_back({{"maxent_target_weight_entropy", "maxent_target_weight_entropy_fraction"},
                        "both it and maxent_target_weight_entropy_fraction are set; keep one"});
  }
  check_course(o.maxent_target_weight_entropy_final.has_value(), "maxent_target_weight_entropy_final",
               o.maxent_target_weight_entropy_horizon, "maxent_target_weight_entropy_horizon", problems);
  if (o.maxent_target_weight_entropy_final && !starts) {
    problems.push_back(
        {{"maxent_target_weight_entropy_final", "maxent_target_weight_entropy"}, "has no beginning: set maxent_target_weight_entropy too"});
  }
}

void check_tau(const MaxentOptions& o, Problems& problems) {
  check_course(o.maxent_tau_final.has_value(), "maxent_tau_final", o.maxent_tau_horizon, "maxent_tau_horizon", problems);
  if (o.maxent_tau_max != 0.0 && o.maxent_tau_max < o.maxent_tau_min) {
    problems.push_back({{"maxent_tau_max", "maxent_tau_min"},
                        fmt::format("{} is below maxent_tau_min = {}; raise it, or set it to 0 for no bound", show_number(o.maxent_tau_max),
                                    show_number(o.maxent_tau_min))});
    return;
  }
  const bool has_course = o.maxent_tau_final.has_value();
  const bool has_target = o.maxent_target_weight_entropy || o.maxent_target_weight_entropy_fraction;
  const bool steered = has_target && o.maxent_tau_lr > 0.0;
  if (has_course && steered) {
    problems.push_back({{"maxent_tau_final", "maxent_tau_lr"},
                        "sets maxent_tau by the step, and maxent_tau_lr steers it to the target entropy; leave "
                        "maxent_tau_final and maxent_tau_horizon out, or set maxent_tau_lr to 0"});
  } else if (has_course && std::isinf(o.maxent_tau)) {
    problems.push_back({{"maxent_tau", "maxent_tau_final"}, "inf has no straight line to maxent_tau_final; begin at a finite number"});
  } else if (steered) {
    const double high = o.maxent_tau_max > 0.0 ? o.maxent_tau_max : std::numeric_limits<double>::infinity();
    const double start = std::clamp(o.maxent_tau, o.maxent_tau_min, high);
    if (start > 0.0 && std::isfinite(start)) return;
    problems.push_back(
        {{"maxent_tau", "maxent_tau_lr"},
         fmt::format("{} cannot be steered to a target entropy, which multiplies it; {}", show_number(o.maxent_tau),
                     start > 0.0 ? "begin at a finite number, or set maxent_tau_max" : "begin above 0, or set maxent_tau_min above 0")});
  }
}

void check_shares(const MaxentOptions& o, std::int64_t group, Problems& problems) {
  const double floors = o.maxent_q_epsilon * static_cast<double>(group);
  if (floors >= 1.0) {
    problems.push_back(
        {{"maxent_q_epsilon", "num_generations"},
         fmt::format("{} for each of num_generations {} completions is {}, and shares add up to 1; set "
                     "it below {}",
                     show_number(o.maxent_q_epsilon), group, show_number(floors), show_number(1.0 / static_cast<double>(group)))});
  }
}

void check_parts(const MaxentOptions& o, Problems& problems) {
  if (o.maxent_objective == MaxentObjective::xdr && o.maxent_xdr_mode_adaptive && (o.maxent_tau <= 0.0 || std::isinf(o.maxent_tau))) {
    problems.push_back({{"maxent_tau", "maxent_xdr_mode_adaptive", "maxent_objective"},
                        fmt::format("{} cannot be divided by a number of answers; with maxent_xdr_mode_adaptive it "
                                    "must be above 0 and finite",
                                    show_number(o.maxent_tau))});
  }
  if (o.maxent_alpha_kl_min_multiplier > o.maxent_alpha_kl_max_multiplier) {
    problems.push_back({{"maxent_alpha_kl_min_multiplier", "maxent_alpha_kl_max_multiplier"},
                        fmt::format("{} is above maxent_alpha_kl_max_multiplier = {}", show_number(o.maxent_alpha_kl_min_multiplier),
                                    show_number(o.maxent_alpha_kl_max_multiplier))});
  }
  check_course(o.maxent_hybrid_coef_final.has_value(), "maxent_hybrid_coef_final", o.maxent_hybrid_horizon, "maxent_hybrid_horizon",
               problems);
}

// An option that the chosen objective would not look at is a misunderstanding: better refused than ignored.
void check_effect(const ObjectiveOptions& o, const MaxentOptions& m, Problems& problems) {
  const MaxentObjective chosen = m.maxent_objective;
  const bool by_weights = chosen == MaxentObjective::listwise || chosen == MaxentObjective::weighted_mle || chosen == MaxentObjective::clip;
  const auto refuse = [&](bool set, const char* name) {
    if (set) {
      problems.push_back({{name, "maxent_objective"},
                          "has no place in maxent_objective listwise, weighted_mle or clip, whose gradient comes from "
                          "target weights; leave it out, or use hybrid"});
    }
  };
  refuse(by_weights && o.entropy_coef != 0.0, "entropy_coef");
  refuse(by_weights && o.use_adaptive_entropy, "use_adaptive_entropy");
  refuse(by_weights && o.top_entropy_quantile < 1.0, "top_entropy_quantile");
  refuse(by_weights && o.kl_in_reward, "kl_in_reward");
  if (m.maxent_use_clip_objective && (chosen == MaxentObjective::clip || chosen == MaxentObjective::xdr ||
                                      chosen == MaxentObjective::token_entropy || chosen == MaxentObjective::hybrid)) {
    problems.push_back(
        {{"maxent_use_clip_objective", "maxent_objective"}, "adds to maxent_objective listwise or weighted_mle; leave it out"});
  }
  if (o.kl_in_reward && o.multi_objective_aggregation == MultiObjectiveAggregation::normalize_then_sum) {
    problems.push_back({{"kl_in_reward", "multi_objective_aggregation"},
                        "is no reward function that normalize_then_sum could normalise; use sum_then_normalize, or "
                        "leave the KL in the loss"});
  }
}

}  // namespace

void check_objective(const Recipe& recipe, Problems& problems) {
  check_reference(recipe.reference, problems);
  check_kl_controller(recipe.objective, problems);
  check_clips(recipe.objective, problems);
  check_entropy_controller(recipe.objective, problems);
  check_sampler_correction(recipe.objective, problems);
}

void check_maxent(const Recipe& recipe, Problems& problems) {
  const std::int64_t group = recipe.sampling.num_generations;
  check_weight_entropy(recipe.maxent, group, problems);
  check_tau(recipe.maxent, problems);
  check_shares(recipe.maxent, group, problems);
  check_parts(recipe.maxent, problems);
  check_effect(recipe.objective, recipe.maxent, problems);
}

}  // namespace grpo
