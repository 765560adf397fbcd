/// xDr.GRPO: Dr.GRPO whose rows are reweighted within their group towards those with the larger utility.
///
///     A_i = r_i - mean_group,   u_i = A_i T_i / T_max                        (the clipped surrogate of a row at ratio 1)
///     f_i = G softmax(u / tau)_i,   loss = Dr.GRPO's with f_i A_i in place of A_i
///
/// f is constant for the gradient. tau = infinity: f = 1 exactly, the loss is Dr.GRPO's bit for bit. tau = 0: all of f on the
/// rows with the largest u, equally on ties. With maxent_xdr_mode_adaptive the group's temperature is tau / log(1 + kappa), kappa
/// the number of distinct right answers in the group (RewardTable::modes; an answer without a mode counts by itself; at least
/// 1): groups that already know several ways of being right are pushed less to one of them. Right: the first reward function
/// gives at least 1. A completion without a reward, or masked as truncated, has no u and takes no part. Entropy bonus and KL stay uniform.
///
/// Source: maxent-grpo, July 2026, xDr.GRPO; Liu et al. 2025, "Understanding R1-Zero", section 3.1 (Dr.GRPO). loss_type,
/// scale_rewards and advantage_estimator are Dr.GRPO's here, whatever the options say.
#pragma once

#include "libgrpo/objective/grpo.hpp"

namespace grpo {

/// f of one group. shape: [G] -> [G], sums to G   throws: Error{contract} if tau is negative or NaN
std::vector<double> xdr_weights(const std::vector<double>& utilities, double tau);

class Xdr final : public Objective {
 public:
  Xdr(const ObjectiveOptions& options, const MaxentOptions& maxent, const ObjectiveContext& context);

  [[nodiscard]] bool needs_reference() const override { return grpo_.needs_reference(); }
  [[nodiscard]] bool needs_current_scores() const override { return grpo_.needs_current_scores(); }
  [[nodiscard]] bool needs_old_log_probs() const override { return grpo_.needs_old_log_probs(); }
  [[nodiscard]] Credit credit(const CreditInput& input) const override;
  [[nodiscard]] Loss loss(const LossInput& input) const override { return grpo_.loss(input); }
  void observe(const std::map<std::string, double>& metrics) override { grpo_.observe(metrics); }
  [[nodiscard]] std::string state() const override { return grpo_.state(); }
  void restore(const std::string& state) override { grpo_.restore(state); }

 private:
  [[nodiscard]] double group_tau(const CreditInput& input, const std::vector<std::size_t>& members) const;
  ObjectiveOptions options_;
  MaxentOptions maxent_;
  ObjectiveContext context_;
  Grpo grpo_;
};

}  // namespace grpo
