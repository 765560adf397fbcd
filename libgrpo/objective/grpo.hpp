/// Group relative policy optimisation.
///
///     rho_t  = exp(log pi(t) - log pi_old(t))
///     loss   = sum_t w_t [ -min(rho_t A, clip(rho_t, 1 - epsilon, 1 + epsilon_high) A) + beta rho_t k3_t ]
///     k3_t   = exp(ref_t - log pi(t)) - (ref_t - log pi(t)) - 1
///
/// with A the completion's advantage (advantages.hpp) and the normaliser w_t of loss_type:
///     grpo   1 / (N * T_i)     each completion counts alike (Shao et al. 2024, equation 3)
///     dapo   1 / sum_i T_i     each token counts alike (Yu et al. 2025, "DAPO", equation 8)
/// The factor rho_t on the KL term (use_bias_correction_kl, default as in TRL 1.13) makes its gradient unbiased under
/// sampling from pi_old (DeepSeek-V3.2, section 3.1). Not here: other loss types, entropy bonus, sequence-level ratios.
#pragma once

#include "libgrpo/config/recipe.hpp"
#include "libgrpo/objective/objective.hpp"

namespace grpo {

class Grpo final : public Objective {
 public:
  explicit Grpo(const ObjectiveOptions& options) : options_(options) {}

  [[nodiscard]] bool needs_reference() const override { return options_.beta > 0.0; }
  [[nodiscard]] Credit credit(const RewardTable& rewards, const Batch& batch, const at::Tensor& ref_log_probs) const override;
  [[nodiscard]] Loss loss(const LossInput& input) const override;

 private:
  ObjectiveOptions options_;
};

}  // namespace grpo
