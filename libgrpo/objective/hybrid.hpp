/// A GRPO loss plus listwise MaxEnt-GRPO: the accuracy of one, the diversity of the other.
///
///     L = L_grpo + c_k L_listwise
///
/// c_k goes linearly from maxent_hybrid_coef to maxent_hybrid_coef_final over maxent_hybrid_horizon optimizer steps k (constant
/// without). Both are means over all groups of the step, so that c_k means the same however many groups have a signal (listwise
/// alone takes the mean over those that take part). L_grpo is all of grpo.hpp, its beta a KL term of the loss; L_listwise is that of listwise.hpp, its beta the tilt of
/// the target weights. The two are the same number, steered by the same controller.
#pragma once

#include "libgrpo/objective/grpo.hpp"
#include "libgrpo/objective/listwise.hpp"

namespace grpo {

class Hybrid final : public Listwise {
 public:
  Hybrid(const ObjectiveOptions& options, const MaxentOptions& maxent, const ObjectiveContext& context);

  [[nodiscard]] bool needs_old_log_probs() const override { return grpo_.needs_old_log_probs(); }
  [[nodiscard]] Credit credit(const CreditInput& input) const override;
  [[nodiscard]] Loss loss(const LossInput& input) const override { return grpo_.loss(input); }
  void observe(const std::map<std::string, double>& metrics) override;
  [[nodiscard]] std::string state() const override;
  void restore(const std::string& state) override;

  /// c_k
  [[nodiscard]] double coefficient() const;

 private:
  Grpo grpo_;
  std::int64_t step_ = 0;
};

}  // namespace grpo
