/// The differentiable sum that all objectives share; which terms are in it is what their credit decides.
///
///     loss = sum_t token_weight_t (mask_t rho_t term_t + kl_coefficient [w_t] kl_t)     policy term and KL to the reference
///          - sum_t entropy_weight_t entropy_t                                           entropy bonus
///          + sum_t linear_t log pi(t)                                                   a term known by its gradient
///
/// term_t is the loss type's (clipped_surrogate.hpp, cispo.hpp, sapo.hpp, vespo.hpp), chosen when the object is made; rho_t the
/// sampler correction and w_t the ratio (importance.hpp), the latter on the KL term with use_bias_correction_kl, which makes
/// its gradient unbiased under sampling from pi_old (DeepSeek-AI 2025, "DeepSeek-V3.2", section 3.1). The KL term is never
/// masked or corrected. The linear term has value 0 here: Credit::constant holds its value.
#pragma once

#include "libgrpo/config/objective_options.hpp"
#include "libgrpo/objective/objective.hpp"

namespace grpo {

class TokenLoss {
 public:
  explicit TokenLoss(const ObjectiveOptions& options);

  /// The KL to the reference is measured whenever there are reference log-probs, and part of the loss if kl_coefficient > 0.
  /// grad: to in.scores. cost: a few passes over the tokens
  [[nodiscard]] Loss operator()(const LossInput& in, double kl_coefficient) const;

 private:
  struct Ratios;
  using Term = at::Tensor (*)(const ObjectiveOptions&, const LossInput&, const Ratios&, Meters&);
  static at::Tensor clipped(const ObjectiveOptions&, const LossInput&, const Ratios&, Meters&);
  static at::Tensor cispo(const ObjectiveOptions&, const LossInput&, const Ratios&, Meters&);
  static at::Tensor sapo(const ObjectiveOptions&, const LossInput&, const Ratios&, Meters&);
  static at::Tensor vespo(const ObjectiveOptions&, const LossInput&, const Ratios&, Meters&);
  static Term term_of(LossType type);

  [[nodiscard]] Ratios ratios(const LossInput& in) const;
  [[nodiscard]] at::Tensor policy_term(const LossInput& in, const Ratios& ratios, Meters& meters) const;
  [[nodiscard]] at::Tensor kl_term(const LossInput& in, const Ratios& ratios, double coefficient, Meters& meters) const;

  ObjectiveOptions options_;
  Term term_;
};

/// The estimator that options name. shape: [T], [T] -> [T]
at::Tensor kl_estimate(KlEstimator estimator, const at::Tensor& log_probs, const at::Tensor& ref_log_probs);

}  // namespace grpo
