#include "libgrpo/objective/kl_controller.hpp"

#include "libgrpo/base/check.hpp"

#include <algorithm>
#include <cmath>

namespace grpo {

KlController::KlController(double beta, std::optional<KlControl> control) : beta_(beta), control_(control) {
  GRPO_CHECK(beta >= 0.0, "beta is a coefficient, not below 0");
  GRPO_CHECK(!control || (control->target > 0.0 && control->horizon > 0.0 && control->step > 0.0),
             "a KL controller has a target, a horizon and a step above 0");
}

void KlController::observe(double kl) {
  constexpr double kDeadZone = 1e-8, kSmallestFactor = 1e-6;
  if (!control_ || !std::isfinite(kl)) return;
  const double error = std::clamp(kl / control_->target - 1.0, -control_->step, control_->step);
  if (std::abs(error) < kDeadZone) return;
  beta_ = std::max(0.0, beta_ * std::max(1.0 + error / control_->horizon, kSmallestFactor));
}

}  // namespace grpo
