/// The temperature tau of the target weights over a run: constant, annealed, or steered by the entropy of the weights.
///
///     anneal   tau_k = start + (final - start) min(k / horizon, 1)
///     steer    after step k > warmup:  H_ema <- 0.9 H_ema + 0.1 H,  log tau <- log tau + lr (target_k - H_ema),
///              tau clamped to [min, max]
///
/// with k counting optimizer steps, H the mean entropy of the step's target weights in nats (at most log G), and H_ema starting
/// at the first H it sees. target_k may go linearly from its start to its final value. A larger tau spreads the weights.
/// Source: the weight-entropy controller of maxent-grpo; the log-space rule is that of the temperature in Haarnoja et al.
/// 2018, "Soft actor-critic algorithms and applications", section 5.
#pragma once

#include "libgrpo/config/objective_options.hpp"

#include <cstdint>
#include <optional>

namespace grpo {

/// What a checkpoint keeps.
struct TauState {
  double tau = 0.0;
  std::int64_t step = 0;
  std::optional<double> entropy_ema;
};

class TauController {
 public:
  /// `warmup_steps` where maxent_tau_warmup_steps is -1; `num_generations` for a target given as a fraction of log G.
  TauController(const MaxentOptions& options, std::int64_t num_generations, std::int64_t warmup_steps);

  [[nodiscard]] double tau() const { return state_.tau; }
  /// Nats; empty if tau is not steered.
  [[nodiscard]] std::optional<double> target() const;
  /// A non-finite entropy counts as a step but steers nothing.
  void observe(double weight_entropy);
  [[nodiscard]] const TauState& state() const { return state_; }
  void restore(const TauState& state) { state_ = state; }

 private:
  void steer(double weight_entropy);
  MaxentOptions options_;
  std::optional<double> first_target_;
  std::int64_t warmup_steps_;
  TauState state_;
};

}  // namespace grpo
