/// Steers the coefficient of the entropy bonus so that the policy's entropy does not fall below a target.
///
///     the bonus applies in a step only if the entropy seen in the step before was at or below the target;
///     after every step  coef <- clip(coef + delta, min, max) if the entropy is at or below the target, else coef - delta
///
/// Source: He et al. 2025, "Skywork Open Reasoner 1", section 3.2.4.
#pragma once

#include <optional>

namespace grpo {

struct EntropyControl {
  double target = 0.2;  ///< nats a token
  double delta = 0.005;
  double low = 0.0, high = 1.0;
};

class EntropyController {
 public:
  /// Without `control` the coefficient is constant.
  explicit EntropyController(double coefficient, std::optional<EntropyControl> control = {})
      : coefficient_(coefficient), control_(control) {}

  /// What to use in the coming step: 0 while the bonus does not apply.
  [[nodiscard]] double active() const;
  [[nodiscard]] double coefficient() const { return coefficient_; }
  [[nodiscard]] std::optional<double> last_entropy() const { return last_entropy_; }
  /// A non-finite entropy changes nothing.
  void observe(double entropy);
  /// For checkpoints.
  void set(double coefficient, std::optional<double> last_entropy);

 private:
  double coefficient_;
  std::optional<EntropyControl> control_;
  std::optional<double> last_entropy_;
};

}  // namespace grpo
