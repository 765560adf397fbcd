/// What is being optimised: credit (who deserves what, no gradient), loss (a differentiable sum over tokens), and observe
/// (controllers that learn from the step). Algorithms differ in these three functions and in nothing else.
#pragma once

#include "libgrpo/metrics/meters.hpp"
#include "libgrpo/rollout/batch.hpp"
#include "libgrpo/tensor/token_scores.hpp"
#include "libgrpo/types/reward.hpp"

#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <vector>

namespace grpo {

/// Decided once per step from all completions, so that the loss does not depend on how they are split into parts.
struct Credit {
  std::vector<double> coefficients;  ///< [N], advantages (GRPO) or listwise coefficients (MaxEnt-GRPO)
  std::vector<bool> active;          ///< [N], false where a completion's loss and gradient are exactly zero: it is not scored
  at::Tensor token_weights;          ///< [T] f32, the normaliser: the loss is the sum of weight x per-token term
  std::map<std::string, double> metrics;
};

/// The scored tokens of one part, everything aligned. shape: all [T of the part] f32
struct LossInput {
  const TokenScores& scores;        ///< with gradients
  const at::Tensor& old_log_probs;  ///< of the policy that sampled
  const at::Tensor& ref_log_probs;  ///< undefined without a reference
  const at::Tensor& coefficients;   ///< the completion's, at each of its tokens
  const at::Tensor& token_weights;
};

struct Loss {
  at::Tensor total;  ///< scalar with gradient; summing it over all parts gives the step's loss
  Meters meters;     ///< token-weighted metrics, mergeable over parts and ranks
};

class Objective {
 public:
  virtual ~Objective() = default;

  /// Whether credit() or loss() reads reference log-probs.
  [[nodiscard]] virtual bool needs_reference() const = 0;
  /// `ref_log_probs` [T] f32, undefined without a reference. grad: none
  [[nodiscard]] virtual Credit credit(const RewardTable& rewards, const Batch& batch, const at::Tensor& ref_log_probs) const = 0;
  /// Pure. cost: a few passes over the part's tokens
  [[nodiscard]] virtual Loss loss(const LossInput& input) const = 0;
  /// Called once per optimizer step with its merged metrics, on every rank alike.
  virtual void observe(const std::map<std::string, double>& /*metrics*/) {}

  /// Controllers' state for checkpoints, as JSON text; restore() must accept what state() gave.
  [[nodiscard]] virtual std::string state() const { return "{}"; }
  virtual void restore(const std::string& /*state*/) {}
};

}  // namespace grpo
