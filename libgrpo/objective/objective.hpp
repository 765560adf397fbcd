/// What is being optimised: credit (who deserves what, no gradient), loss (a differentiable sum over tokens), and observe
/// (controllers that learn from the step). Algorithms differ in these three functions and in nothing else.
///
/// docs/guides/add-an-objective.md says how to write one; tests/contract/objective_contract.hpp tries it.
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

/// What an objective may need to know of the run besides its own options.
struct ObjectiveContext {
  std::int64_t num_generations = 8;
  std::int64_t max_completion_length = 512;  ///< tokens
  std::int64_t vocab_size = 2;
  std::int64_t warmup_steps = 0;  ///< of the learning rate
};

/// One optimizer step's view of a generation batch. Tensors [T] f32, T over the whole batch; undefined where there is none.
struct CreditInput {
  const RewardTable& rewards;
  const Batch& batch;
  at::Tensor ref_log_probs = {};   ///< of the reference
  at::Tensor old_log_probs = {};   ///< of the policy that sampled
  at::Tensor log_probs = {};       ///< of the policy before this step's update; there if needs_current_scores()
  at::Tensor entropies = {};       ///< likewise
  std::vector<bool> in_step = {};  ///< [N], completions that this optimizer step trains on; empty: all

  [[nodiscard]] bool trains(std::size_t completion) const { return in_step.empty() || in_step[completion]; }
};

/// Decided once per step from all completions, so that the loss does not depend on how they are split into parts.
///
///     loss = sum_t token_weights (policy term(advantages) + beta KL) - sum_t entropy_weights entropy + sum_t linear log_prob
struct Credit {
  std::vector<double> coefficients;  ///< [N], for reports: advantages, or target weights
  std::vector<bool> active;          ///< [N], false where a completion's loss and gradient are exactly zero: it is not scored
  at::Tensor advantages;             ///< [T] f32, the completion's at each of its tokens; undefined: no policy term
  at::Tensor token_weights;          ///< [T] f32, the normaliser; undefined: neither policy term nor KL
  at::Tensor policy_mask;            ///< [T] bool, tokens that the policy term sees; undefined: all
  at::Tensor entropy_weights;        ///< [T] f32, the entropy bonus; undefined: none
  at::Tensor linear;                 ///< [T] f32, d loss / d log_prob of a term whose gradient is known in closed form
  double constant = 0.0;             ///< value of that term, which contributes its gradient to the parts and its value here
  std::map<std::string, double> metrics;
};

/// The scored tokens of one part, everything aligned. shape: all [T of the part] f32; undefined as in Credit
struct LossInput {
  TokenScores scores;     ///< with gradients
  at::Tensor completion;  ///< i64, see completion_sums.hpp; completions are whole
  std::int64_t completions = 0;
  at::Tensor old_log_probs = {};  ///< undefined: the policy that sampled is the one being updated, all ratios are 1
  at::Tensor ref_log_probs = {};
  at::Tensor sampler_log_probs = {};  ///< undefined: the sampler's numbers are the old ones, there is nothing to correct
  at::Tensor advantages = {}, token_weights = {}, policy_mask = {}, entropy_weights = {}, linear = {};
};

struct Loss {
  at::Tensor total;  ///< scalar with gradient; summed over all parts, plus Credit::constant, it is the step's loss
  Meters meters;     ///< token-weighted metrics, mergeable over parts and ranks
};

class Objective {
 public:
  virtual ~Objective() = default;

  /// Whether credit() or loss() reads reference log-probs.
  [[nodiscard]] virtual bool needs_reference() const = 0;
  /// Whether credit() reads CreditInput::log_probs or entropies. cost: one forward per step, unless the sampler just gave them
  [[nodiscard]] virtual bool needs_current_scores() const { return false; }
  /// Whether credit() reads CreditInput::old_log_probs. cost: one forward per generation batch, unless the sampler's will do
  [[nodiscard]] virtual bool needs_old_log_probs() const { return false; }
  /// grad: none. throws: Error{contract} if rewards and batch differ in length, or a tensor it needs is undefined
  [[nodiscard]] virtual Credit credit(const CreditInput& input) const = 0;
  /// Pure. cost: a few passes over the part's tokens
  [[nodiscard]] virtual Loss loss(const LossInput& input) const = 0;
  /// Called once per optimizer step with its merged metrics, on every rank alike.
  virtual void observe(const std::map<std::string, double>& /*metrics*/) {}

  /// Controllers' state for checkpoints, as JSON text; restore() must accept what state() gave.
  [[nodiscard]] virtual std::string state() const { return "{}"; }
  virtual void restore(const std::string& /*state*/) {}
};

}  // namespace grpo
