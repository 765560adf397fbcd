/// Group relative policy optimisation and its family.
///
///     A     advantages of the completions within their group        advantages.hpp
///     loss  sum_t weight_t (term_t + beta KL_t) - bonus              token_loss.hpp, normaliser.hpp
///
/// `loss_type` picks the policy term and the normaliser; importance_sampling_level = sequence makes it GSPO. With num_iterations
/// or steps_per_generation above 1 the ratios are to the policy that sampled. Options on top:
///     kl_in_reward                r_i -= beta sum_t kl_t (old policy to reference), no KL term in the loss
///     top_entropy_quantile rho    the policy term sees the rho most uncertain tokens of the step (Wang et al. 2025, "Beyond the
///                                 80/20 rule", section 5); TRL takes the threshold per micro-batch, here it is the step's
///     entropy_coef                - c mean entropy of the (masked) tokens, c constant or steered (entropy_controller.hpp)
///     kl_target ...               beta steered by the KL (kl_controller.hpp)
/// Source: Shao et al. 2024, "DeepSeekMath", section 4; sources of the terms are in their files. A group without signal costs
/// nothing with beta = 0 and no entropy bonus. Not here: value functions, per-token advantages.
#pragma once

#include "libgrpo/config/objective_options.hpp"
#include "libgrpo/objective/advantages.hpp"
#include "libgrpo/objective/entropy_controller.hpp"
#include "libgrpo/objective/kl_controller.hpp"
#include "libgrpo/objective/normaliser.hpp"
#include "libgrpo/objective/objective.hpp"
#include "libgrpo/objective/token_loss.hpp"

namespace grpo {

class Grpo final : public Objective {
 public:
  explicit Grpo(const ObjectiveOptions& options, const ObjectiveContext& context = {});

  [[nodiscard]] bool needs_reference() const override { return options_.beta > 0.0; }
  [[nodiscard]] bool needs_current_scores() const override { return options_.top_entropy_quantile < 1.0; }
  [[nodiscard]] bool needs_old_log_probs() const override { return options_.kl_in_reward && options_.beta > 0.0; }
  [[nodiscard]] Credit credit(const CreditInput& input) const override;
  [[nodiscard]] Loss loss(const LossInput& input) const override;
  void observe(const std::map<std::string, double>& metrics) override;
  [[nodiscard]] std::string state() const override;
  void restore(const std::string& state) override;

  [[nodiscard]] double beta() const { return kl_.beta(); }

 private:
  [[nodiscard]] Advantages advantages(const CreditInput& input) const;
  [[nodiscard]] double loss_beta() const { return options_.kl_in_reward ? 0.0 : kl_.beta(); }
  [[nodiscard]] at::Tensor most_uncertain(const CreditInput& input, const at::Tensor& counts) const;

  ObjectiveOptions options_;
  ObjectiveContext context_;
  TokenLoss token_loss_;
  KlController kl_;
  EntropyController entropy_;
};

/// beta and, where the options ask for it, its controller.
KlController make_kl_controller(const ObjectiveOptions& options);

/// reward, reward_std, frac_reward_zero_std of the step's completions; NaN rewards left out.
std::map<std::string, double> reward_metrics(const std::vector<double>& rewards, const std::vector<double>& group_std,
                                             const CreditInput& input);

}  // namespace grpo
