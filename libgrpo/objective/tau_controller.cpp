#include "libgrpo/objective/tau_controller.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace grpo {
namespace {

double linear(double start, double final, std::int64_t step, std::int64_t horizon) {
  const double share = horizon > 0 ? static_cast<double>(step) / static_cast<double>(horizon) : 1.0;
  return start + (final - start) * std::min(share, 1.0);
}

}  // namespace

TauController::TauController(const MaxentOptions& options, std::int64_t num_generations, std::int64_t warmup_steps)
    : options_(options),
      first_target_(options.maxent_target_weight_entropy),
      warmup_steps_(options.maxent_tau_warmup_steps < 0 ? warmup_steps : options.maxent_tau_warmup_steps) {
  if (options.maxent_target_weight_entropy_fraction)
    first_target_ = *options.maxent_target_weight_entropy_fraction * std::log(static_cast<double>(num_generations));
  state_.tau = options.maxent_tau;
}

std::optional<double> TauController::target() const {
  if (!first_target_ || options_.maxent_tau_lr <= 0.0) return std::nullopt;
  if (!options_.maxent_target_weight_entropy_final) return first_target_;
  return linear(*first_target_, *options_.maxent_target_weight_entropy_final, state_.step, options_.maxent_target_weight_entropy_horizon);
}

void TauController::observe(double weight_entropy) {
  ++state_.step;
  if (options_.maxent_tau_final)
    state_.tau = linear(options_.maxent_tau, *options_.maxent_tau_final, state_.step, options_.maxent_tau_horizon);
  if (target() && std::isfinite(weight_entropy)) steer(weight_entropy);
}

void TauController::steer(double weight_entropy) {
  constexpr double kKept = 0.9, kSmallest = 1e-8;
  state_.entropy_ema = state_.entropy_ema ? kKept * *state_.entropy_ema + (1.0 - kKept) * weight_entropy : weight_entropy;
  if (state_.step <= warmup_steps_) return;
  const double moved = std::max(state_.tau, kSmallest) * std::exp(options_.maxent_tau_lr * (*target() - *state_.entropy_ema));
  const double high = options_.maxent_tau_max > 0.0 ? options_.maxent_tau_max : std::numeric_limits<double>::infinity();
  state_.tau = std::clamp(moved, std::max(options_.maxent_tau_min, kSmallest), high);
}

}  // namespace grpo
