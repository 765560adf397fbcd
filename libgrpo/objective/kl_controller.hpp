/// Steers beta so that the KL to the reference stays near a target.
///
///     e = clip(KL / target - 1, -step, +step),   beta <- max(0, beta max(1 + e / horizon, 1e-6))
///
/// after every optimizer step. |e| < 1e-8 and a KL that is not finite change nothing. beta = 0 stays 0: it is multiplied.
/// Source: Ziegler et al. 2019, "Fine-tuning language models from human preferences", section 2.2, without the batch size.
#pragma once

#include <optional>

namespace grpo {

struct KlControl {
  double target = 0.0;   ///< nats a token
  double horizon = 0.0;  ///< steps
  double step = 0.0;     ///< largest relative error that counts
};

class KlController {
 public:
  /// Without `control` beta is constant. throws: Error{contract} unless beta >= 0 and all of control is above 0
  explicit KlController(double beta, std::optional<KlControl> control = {});

  [[nodiscard]] double beta() const { return beta_; }
  void observe(double kl);
  /// For checkpoints.
  void set_beta(double beta) { beta_ = beta; }

 private:
  double beta_;
  std::optional<KlControl> control_;
};

}  // namespace grpo
