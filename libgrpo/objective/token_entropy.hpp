/// A GRPO loss with an exact policy-entropy bonus, normalised by what a policy over V tokens can have at most.
///
///     L = L_grpo - alpha m mean(H_t / log V)
///
/// The mean is over completions and then tokens for loss_type grpo and dr_grpo (so that length is not rewarded), over all
/// tokens of the step otherwise. m follows the KL of the step before, with threshold c and gain g:
///     KL < c, maxent_alpha_raise_on_low_kl    m = 1 + g (c - KL) / c
///     KL > c, maxent_alpha_lower_on_high_kl   m = 1 / (1 + g (KL - c) / c)
///     m within [min, max] multiplier; KL > c or not finite with maxent_alpha_disable_outside_trust_zone   m = 0
/// Without a KL (beta = 0, or the first step) m is 1, or 0 where the trust zone is asked for and a KL was seen and not finite.
/// Source: maxent-grpo, April 2026, objective maxent_entropy.
#pragma once

#include "libgrpo/objective/grpo.hpp"

#include <optional>

namespace grpo {

class TokenEntropy final : public Objective {
 public:
  TokenEntropy(const ObjectiveOptions& options, const MaxentOptions& maxent, const ObjectiveContext& context);

  [[nodiscard]] bool needs_reference() const override { return grpo_.needs_reference(); }
  [[nodiscard]] bool needs_current_scores() const override { return grpo_.needs_current_scores(); }
  [[nodiscard]] bool needs_old_log_probs() const override { return grpo_.needs_old_log_probs(); }
  [[nodiscard]] Credit credit(const CreditInput& input) const override;
  [[nodiscard]] Loss loss(const LossInput& input) const override { return grpo_.loss(input); }
  void observe(const std::map<std::string, double>& metrics) override;
  [[nodiscard]] std::string state() const override;
  void restore(const std::string& state) override;

  /// m
  [[nodiscard]] double multiplier() const;

 private:
  ObjectiveOptions options_;
  MaxentOptions maxent_;
  ObjectiveContext context_;
  Grpo grpo_;
  std::optional<double> kl_;  // of the step before
};

}  // namespace grpo
