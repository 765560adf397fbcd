#include "libgrpo/objective/entropy_controller.hpp"

#include <algorithm>
#include <cmath>

namespace grpo {

double EntropyController::active() const {
  if (!control_) return coefficient_;
  return last_entropy_ && *last_entropy_ <= control_->target ? coefficient_ : 0.0;
}

void EntropyController::observe(double entropy) {
  if (!control_ || !std::isfinite(entropy)) return;
  last_entropy_ = entropy;
  const double change = entropy <= control_->target ? control_->delta : -control_->delta;
  coefficient_ = std::clamp(coefficient_ + change, control_->low, control_->high);
}

void EntropyController::set(double coefficient, std::optional<double> last_entropy) {
  coefficient_ = coefficient;
  last_entropy_ = last_entropy;
}

}  // namespace grpo
