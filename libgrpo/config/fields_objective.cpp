#include "libgrpo/config/field_builders.hpp"

namespace grpo {
namespace {

using namespace field_list;

std::vector<Field> loss_fields(ObjectiveOptions& o) {
  return {
      {"objective",
       "loss_type",
       one_of(o.loss_type, {"grpo", "bnpo", "dr_grpo", "dapo", "cispo", "sapo", "luspo", "vespo"}),
       "",
       "how token losses are averaged: by completion (grpo, sapo), over the tokens of a step (bnpo) or of all that was "
       "sampled (dapo, cispo, vespo), over max_completion_length (dr_grpo), or summed by completion (luspo); cispo, "
       "sapo and vespo have weights of their own in place of the clipped ratio",
       {},
       {"grpo_loss_type"}},
      {"objective", "importance_sampling_level", one_of(o.importance_sampling_level, {"token", "sequence"}), "",
       "the probability ratio is that of each token, or one for the whole completion (GSPO)"},
      {"objective", "epsilon", &o.epsilon, "", "the probability ratio is clipped below at 1 - epsilon", above(0), {"clip_range"}},
      {"objective",
       "epsilon_high",
       &o.epsilon_high,
       "",
       "and above at 1 + epsilon_high, unset: epsilon; in cispo it bounds the ratio itself, unset: 5",
       above(0),
       {"clip_range_high"}},
      {"objective",
       "delta",
       &o.delta,
       "",
       "upper bound of the ratio of tokens with negative advantage, which no clip bounds; unset: none",
       above(0),
       {"clip_delta"}},
      {"objective", "sapo_temperature_neg", &o.sapo_temperature_neg, "", "steepness of sapo's gate where the advantage is not above 0",
       above(0)},
      {"objective", "sapo_temperature_pos", &o.sapo_temperature_pos, "", "steepness of sapo's gate where the advantage is above 0",
       above(0)},
      {"objective", "vespo_k_pos", &o.vespo_k_pos, "",
       "k of vespo's weight w^k exp(lambda (1 - w)) of a completion with ratio w, for advantages >= 0", at_least(0)},
      {"objective", "vespo_lambda_pos", &o.vespo_lambda_pos, "", "lambda of that weight, for advantages >= 0", at_least(0)},
      {"objective", "vespo_k_neg", &o.vespo_k_neg, "", "k of that weight, for advantages below 0", at_least(0)},
      {"objective", "vespo_lambda_neg", &o.vespo_lambda_neg, "", "lambda of that weight, for advantages below 0", at_least(0)},
  };
}

std::vector<Field> advantage_and_kl_fields(ObjectiveOptions& o) {
  return {
      {"objective", "advantage_estimator",
       one_of(o.advantage_estimator, {"grpo", "rloo", "reinforce_plus_plus", "reinforce_plus_plus_baseline"}), "",
       "a reward is compared with the mean of its group (grpo), of the group's other rewards (rloo), of the batch "
       "(reinforce_plus_plus), or of the group and then scaled over the batch (reinforce_plus_plus_baseline)"},
      {"objective",
       "scale_rewards",
       one_of(o.scale_rewards, {"group", "batch", "none"}),
       "",
       "advantages of grpo are divided by the standard deviation of the rewards of the group or of the batch, or not "
       "at all",
       {},
       {},
       {{"true", "group"}, {"false", "none"}}},
      {"objective", "multi_objective_aggregation", one_of(o.multi_objective_aggregation, {"sum_then_normalize", "normalize_then_sum"}), "",
       "several reward functions are summed and the sum is standardised, or each is standardised in its group first "
       "(GDPO)"},
      {"objective",
       "beta",
       &o.beta,
       "",
       "coefficient of the KL term to the reference model; 0: no reference model",
       at_least(0),
       {"init_kl_coeff", "init_kl_coef", "kl_penalty_beta"}},
      {"objective", "kl_estimator", one_of(o.kl_estimator, {"k1", "k2", "k3"}), "",
       "KL of a token from d = log-prob of the policy - log-prob of the reference: k1 = d, k2 = d^2 / 2, "
       "k3 = exp(-d) - 1 + d"},
      {"objective", "kl_in_reward", &o.kl_in_reward, "", "take the KL off the rewards, in place of a term of the loss"},
      {"objective", "use_bias_correction_kl", &o.use_bias_correction_kl, "",
       "multiply the KL term by the importance ratio, which makes its gradient unbiased"},
      {"objective", "kl_target", &o.kl_target, "nats",
       "KL of a token that beta is steered to, where kl_target, kl_horizon and kl_ctl_step_size are all above 0", at_least(0)},
      {"objective", "kl_horizon", &o.kl_horizon, "steps",
       "each step multiplies beta by 1 + e / kl_horizon, e = KL / kl_target - 1; 0: beta stays", at_least(0)},
      {"objective", "kl_ctl_step_size", &o.kl_ctl_step_size, "", "e is kept between -kl_ctl_step_size and kl_ctl_step_size; 0: beta stays",
       at_least(0)},
  };
}

std::vector<Field> mask_and_entropy_fields(ObjectiveOptions& o) {
  return {
      {"objective", "top_entropy_quantile", &o.top_entropy_quantile, "",
       "only this share of the tokens, those of the highest entropy, is in the policy term", left_open(0, 1)},
      {"objective", "mask_truncated_completions", &o.mask_truncated_completions, "",
       "keep completions that max_completion_length cut off out of the loss; their rewards still count in the group"},
      {"objective", "exclude_zero_std_groups", &o.exclude_zero_std_groups, "",
       "keep groups whose rewards are all equal out of the loss and of its averages"},
      {"objective", "off_policy_mask_threshold", &o.off_policy_mask_threshold, "nats",
       "keep completions of negative advantage out of the policy term once their log-prob per token has fallen by more "
       "than this since they were sampled; unset: never",
       at_least(0)},
      {"objective", "entropy_coef", &o.entropy_coef, "", "coefficient of the bonus on the entropy of tokens; 0: none"},
      {"objective", "use_adaptive_entropy", &o.use_adaptive_entropy, "",
       "steer entropy_coef so that the entropy of tokens stays near entropy_target"},
      {"objective", "entropy_target", &o.entropy_target, "nats", "entropy up to which the adaptive bonus is given", at_least(0)},
      {"objective", "entropy_coef_delta", &o.entropy_coef_delta, "", "by how much a step moves entropy_coef", at_least(0)},
      {"objective", "entropy_coef_min", &o.entropy_coef_min, "", "smallest entropy_coef of the adaptive bonus"},
      {"objective", "entropy_coef_max", &o.entropy_coef_max, "", "largest entropy_coef of the adaptive bonus"},
      {"objective", "vllm_importance_sampling_correction", &o.vllm_importance_sampling_correction, "",
       "where a sampler computes other probabilities than the trainer (the built-in engine does not): multiply the "
       "policy term by the ratio of the trainer's, at the time of sampling, to the sampler's"},
      {"objective", "vllm_importance_sampling_mode",
       one_of(o.vllm_importance_sampling_mode, {"token_truncate", "token_mask", "sequence_truncate", "sequence_mask"}), "",
       "that ratio, of a token or of the whole completion, is kept within its bounds or set to 0 outside them"},
      {"objective",
       "vllm_importance_sampling_clip_max",
       &o.vllm_importance_sampling_clip_max,
       "",
       "upper bound of that ratio; none: no bound",
       above(0),
       {"vllm_importance_sampling_cap"}},
      {"objective", "vllm_importance_sampling_clip_min", &o.vllm_importance_sampling_clip_min, "",
       "lower bound of that ratio; unset: no bound", at_least(0)},
  };
}

std::vector<Field> weight_fields(MaxentOptions& o) {
  return {
      {"maxent",
       "maxent_objective",
       one_of(o.maxent_objective, {"none", "listwise", "weighted_mle", "clip", "xdr", "token_entropy", "hybrid"}),
       "",
       "none: plain GRPO; with weights over each group: listwise matches the policy's own shares to them, weighted_mle "
       "weighs log-likelihoods, clip clips ratios with the weights as advantages, xdr weighs the GRPO losses; "
       "token_entropy: GRPO with an entropy bonus; hybrid: GRPO and listwise together",
       {},
       {"objective"},
       {{"grpo", "none"}, {"maxent_listwise", "listwise"}, {"maxent_entropy", "token_entropy"}}},
      {"maxent", "maxent_tau", &o.maxent_tau, "", "temperature of the weights: near 0 the best completion takes all, inf: all count alike",
       at_least_or_infinite(0)},
      {"maxent", "maxent_q_temperature", &o.maxent_q_temperature, "",
       "a softmax at this temperature turns the rewards of a group into the shares q that the weights start from", above(0)},
      {"maxent", "maxent_q_epsilon", &o.maxent_q_epsilon, "", "smallest share in q", open(0, 0.5)},
      {"maxent", "maxent_length_normalize_ref", &o.maxent_length_normalize_ref, "",
       "the reference's log-prob of a completion is the mean over its tokens, otherwise their sum"},
      {"maxent", "maxent_length_normalize_policy", &o.maxent_length_normalize_policy, "",
       "the policy's log-prob of a completion in listwise, weighted_mle and hybrid is the mean over its tokens, otherwise their sum"},
      {"maxent", "maxent_tau_only_denominator", &o.maxent_tau_only_denominator, "",
       "log weights are (log q + beta x reference log-prob) / maxent_tau, otherwise / (maxent_tau + beta)"},
      {"maxent", "maxent_listwise_skip_zero_variance_groups", &o.maxent_listwise_skip_zero_variance_groups, "",
       "keep groups whose rewards are all equal out of the weighted losses"},
      {"maxent", "maxent_target_weight_entropy", &o.maxent_target_weight_entropy, "nats",
       "entropy of the weights that maxent_tau is steered to, at most log(num_generations); unset: maxent_tau stays", above(0)},
      {"maxent", "maxent_target_weight_entropy_fraction", &o.maxent_target_weight_entropy_fraction, "",
       "that target as a share of log(num_generations); unset: see maxent_target_weight_entropy", left_open(0, 1)},
      {"maxent", "maxent_target_weight_entropy_final", &o.maxent_target_weight_entropy_final, "nats",
       "where the target entropy ends after maxent_target_weight_entropy_horizon steps; unset: it stays", above(0)},
      {"maxent", "maxent_target_weight_entropy_horizon", &o.maxent_target_weight_entropy_horizon, "steps",
       "steps of the target entropy's straight line to its end; 0: it stays", count(0)},
      {"maxent", "maxent_tau_lr", &o.maxent_tau_lr, "",
       "each step adds maxent_tau_lr x (target - entropy) to log maxent_tau; 0: maxent_tau stays", at_least(0)},
      {"maxent", "maxent_tau_min", &o.maxent_tau_min, "", "smallest maxent_tau that steering leads to", at_least(0)},
      {"maxent", "maxent_tau_max", &o.maxent_tau_max, "", "largest maxent_tau that steering leads to; 0: no bound", at_least(0)},
      {"maxent", "maxent_tau_warmup_steps", &o.maxent_tau_warmup_steps, "steps",
       "steps before steering begins; -1: as many as the learning rate's warm-up", count_or(-1, 0)},
      {"maxent", "maxent_tau_final", &o.maxent_tau_final, "", "where maxent_tau ends after maxent_tau_horizon steps; unset: it stays",
       at_least(0)},
      {"maxent", "maxent_tau_horizon", &o.maxent_tau_horizon, "steps", "steps of maxent_tau's straight line to its end; 0: it stays",
       count(0)},
  };
}

std::vector<Field> maxent_term_fields(MaxentOptions& o) {
  return {
      {"maxent", "maxent_use_clip_objective", &o.maxent_use_clip_objective, "", "add the clip objective to listwise or weighted_mle"},
      {"maxent", "maxent_clip_objective_coef", &o.maxent_clip_objective_coef, "", "coefficient of the clip objective", at_least(0)},
      {"maxent", "maxent_clip_adv_baseline", &o.maxent_clip_adv_baseline, "",
       "taken off the weights to make the clip objective's advantages; unset: 1 / group size", closed(0, 1)},
      {"maxent", "maxent_clip_range", &o.maxent_clip_range, "",
       "the clip objective's distance from 1 on both sides; unset: epsilon and epsilon_high", above(0)},
      {"maxent", "maxent_xdr_mode_adaptive", &o.maxent_xdr_mode_adaptive, "",
       "xdr divides maxent_tau by log(1 + number of distinct correct answers in the group)"},
      {"maxent", "maxent_alpha", &o.maxent_alpha, "",
       "coefficient of token_entropy's bonus on the entropy of tokens, a share of log(vocabulary)", closed(0, 1)},
      {"maxent", "maxent_alpha_raise_on_low_kl", &o.maxent_alpha_raise_on_low_kl, "",
       "raise maxent_alpha while the KL to the reference is below maxent_alpha_kl_threshold"},
      {"maxent", "maxent_alpha_lower_on_high_kl", &o.maxent_alpha_lower_on_high_kl, "",
       "lower maxent_alpha while the KL to the reference is above maxent_alpha_kl_threshold"},
      {"maxent", "maxent_alpha_kl_threshold", &o.maxent_alpha_kl_threshold, "nats", "KL of a token that maxent_alpha reacts to", above(0)},
      {"maxent", "maxent_alpha_kl_gain", &o.maxent_alpha_kl_gain, "",
       "how strongly maxent_alpha reacts: by 1 + gain x relative distance from the threshold, up or down", at_least(0)},
      {"maxent", "maxent_alpha_kl_max_multiplier", &o.maxent_alpha_kl_max_multiplier, "", "largest factor on maxent_alpha", at_least(0)},
      {"maxent", "maxent_alpha_kl_min_multiplier", &o.maxent_alpha_kl_min_multiplier, "", "smallest factor on maxent_alpha", at_least(0)},
      {"maxent", "maxent_alpha_disable_outside_trust_zone", &o.maxent_alpha_disable_outside_trust_zone, "",
       "no entropy bonus while the KL is above maxent_alpha_kl_threshold"},
      {"maxent", "maxent_hybrid_coef", &o.maxent_hybrid_coef, "", "coefficient of the listwise loss in hybrid", at_least(0)},
      {"maxent", "maxent_hybrid_coef_final", &o.maxent_hybrid_coef_final, "",
       "where maxent_hybrid_coef ends after maxent_hybrid_horizon steps; unset: it stays", at_least(0)},
      {"maxent", "maxent_hybrid_horizon", &o.maxent_hybrid_horizon, "steps",
       "steps of maxent_hybrid_coef's straight line to its end; 0: it stays", count(0)},
  };
}

std::vector<Field> joined(std::vector<Field> list, const std::vector<std::vector<Field>>& more) {
  for (const std::vector<Field>& part : more) list.insert(list.end(), part.begin(), part.end());
  return list;
}

}  // namespace

std::vector<Field> objective_fields(ObjectiveOptions& options) {
  return joined(loss_fields(options), {advantage_and_kl_fields(options), mask_and_entropy_fields(options)});
}

std::vector<Field> maxent_fields(MaxentOptions& options) { return joined(weight_fields(options), {maxent_term_fields(options)}); }

}  // namespace grpo
