#include "libgrpo/objective/token_loss.hpp"

#include "libgrpo/base/check.hpp"
#include "libgrpo/objective/cispo.hpp"
#include "libgrpo/objective/clipped_surrogate.hpp"
#include "libgrpo/objective/importance.hpp"
#include "libgrpo/objective/sapo.hpp"
#include "libgrpo/objective/vespo.hpp"
#include "libgrpo/tensor/completion_sums.hpp"
#include "libgrpo/tensor/kl.hpp"
#include "libgrpo/tensor/precompiled.hpp"

namespace grpo {

struct TokenLoss::Ratios {
  at::Tensor old;         ///< log-probs of the policy that sampled
  at::Tensor ratio;       ///< policy over old, at the level of the options
  at::Tensor correction;  ///< old over sampler; undefined without
};

namespace {

void meter(Meters& meters, const char* name, const at::Tensor& values) {
  const at::NoGradGuard no_grad;
  meters.add(name, values.sum().item<double>(), static_cast<double>(values.numel()));
}

}  // namespace

at::Tensor kl_estimate(KlEstimator estimator, const at::Tensor& log_probs, const at::Tensor& ref_log_probs) {
  switch (estimator) {
    case KlEstimator::k1: return kl_k1(log_probs, ref_log_probs);
    case KlEstimator::k2: return kl_k2(log_probs, ref_log_probs);
    case KlEstimator::k3: break;
  }
  return kl_k3(log_probs, ref_log_probs);
}

TokenLoss::Term TokenLoss::term_of(LossType type) {
  switch (type) {
    case LossType::cispo: return cispo;
    case LossType::sapo: return sapo;
    case LossType::vespo: return vespo;
    case LossType::grpo:
    case LossType::bnpo:
    case LossType::dr_grpo:
    case LossType::dapo:
    case LossType::luspo: break;
  }
  return clipped;
}

TokenLoss::TokenLoss(const ObjectiveOptions& options) : options_(options), term_(term_of(options.loss_type)) {}

at::Tensor TokenLoss::clipped(const ObjectiveOptions& o, const LossInput& in, const Ratios& r, Meters& meters) {
  const ClipRange range{o.epsilon, o.epsilon_high.value_or(o.epsilon), o.delta};
  const auto low = r.ratio.lt(1.0 - range.low).logical_and(in.advantages.lt(0));
  const auto high = r.ratio.gt(1.0 + range.high).logical_and(in.advantages.gt(0));
  meter(meters, "clip_ratio/low_mean", low);
  meter(meters, "clip_ratio/high_mean", high);
  meter(meters, "clip_ratio/region_mean", low.logical_or(high));
  return clipped_surrogate(r.ratio, in.advantages, range);
}

at::Tensor TokenLoss::cispo(const ObjectiveOptions& o, const LossInput& in, const Ratios& r, Meters& meters) {
  const double cap = o.epsilon_high.value_or(kCispoCap);
  meter(meters, "cispo_clip_ratio", r.ratio.gt(cap).logical_and(in.advantages.gt(0)));
  return cispo_term(r.ratio, in.scores.log_probs, in.advantages, cap);
}

at::Tensor TokenLoss::sapo(const ObjectiveOptions& o, const LossInput& in, const Ratios& r, Meters& /*meters*/) {
  return sapo_term(r.ratio, in.advantages, o.sapo_temperature_pos, o.sapo_temperature_neg);
}

at::Tensor TokenLoss::vespo(const ObjectiveOptions& o, const LossInput& in, const Ratios& r, Meters& meters) {
  const VespoShape shape{o.vespo_k_pos, o.vespo_lambda_pos, o.vespo_k_neg, o.vespo_lambda_neg};
  const auto phi = vespo_weight(in.scores.log_probs - r.old, r.correction, in.advantages, in.completion, in.completions, shape);
  const auto lengths = completion_sums(at::ones_like(phi), in.completion, in.completions);
  meter(meters, "vespo/phi_seq_mean", completion_sums(phi, in.completion, in.completions) / lengths);
  return vespo_term(phi, in.scores.log_probs, in.advantages);
}

TokenLoss::Ratios TokenLoss::ratios(const LossInput& in) const {
  Ratios r;
  const auto& log_probs = in.scores.log_probs;
  r.old = in.old_log_probs.defined() ? in.old_log_probs : log_probs.detach();
  r.ratio = importance_ratio(log_probs, r.old, in.completion, in.completions, options_.importance_sampling_level);
  if (in.sampler_log_probs.defined())
    r.correction = sampler_correction(r.old, in.sampler_log_probs, in.completion, in.completions, options_.vllm_importance_sampling_mode,
                                      options_.vllm_importance_sampling_clip_min, options_.vllm_importance_sampling_clip_max);
  return r;
}

at::Tensor TokenLoss::policy_term(const LossInput& in, const Ratios& r, Meters& meters) const {
  auto term = term_(options_, in, r, meters);
  if (options_.off_policy_mask_threshold)
    term = term * off_policy_mask(in.scores.log_probs, in.sampler_log_probs.defined() ? in.sampler_log_probs : r.old, in.advantages,
                                  in.completion, in.completions, *options_.off_policy_mask_threshold);
  if (in.policy_mask.defined()) term = term * in.policy_mask.to(term.scalar_type());
  if (r.correction.defined()) {
    meter(meters, "sampling/importance_sampling_ratio/mean", r.correction);
    if (r.correction.numel() > 0) {
      meters.add_smallest("sampling/importance_sampling_ratio/min", r.correction.min().item<double>());
      meters.add_largest("sampling/importance_sampling_ratio/max", r.correction.max().item<double>());
    }
    if (options_.loss_type != LossType::vespo) term = term * r.correction;  // VESPO has it inside phi
  }
  return term;
}

at::Tensor TokenLoss::kl_term(const LossInput& in, const Ratios& r, double coefficient, Meters& meters) const {
  auto kl = kl_estimate(options_.kl_estimator, in.scores.log_probs, in.ref_log_probs);
  if (options_.use_bias_correction_kl) kl = r.ratio * kl;
  meter(meters, "kl", kl.detach());
  return coefficient * kl;
}

Loss TokenLoss::operator()(const LossInput& in, double kl_coefficient) const {
  Loss result;
  const auto& log_probs = in.scores.log_probs;
  const Ratios r = ratios(in);
  result.total = at::zeros({}, log_probs.options());
  if (in.advantages.defined()) result.total = result.total + (policy_term(in, r, result.meters) * in.token_weights).sum();
  if (in.ref_log_probs.defined()) {
    const auto kl = kl_term(in, r, kl_coefficient, result.meters);
    if (kl_coefficient > 0.0) {
      GRPO_CHECK(in.token_weights.defined(), "a KL term needs the normaliser");
      result.total = result.total + (kl * in.token_weights).sum();
    }
  }
  if (in.entropy_weights.defined()) result.total = result.total - (in.scores.entropies * in.entropy_weights).sum();
  if (in.linear.defined()) result.total = result.total + (in.linear * (log_probs - log_probs.detach())).sum();
  return result;
}

}  // namespace grpo
