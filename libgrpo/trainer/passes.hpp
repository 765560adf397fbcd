/// A whole batch through a policy, part by part: to score it, or to accumulate the gradient of an objective.
///
/// These two are what a training step, a replay (grpo_inspect loss) and a loop of one's own have in common.
#pragma once

#include "libgrpo/objective/objective.hpp"
#include "libgrpo/policy/policy.hpp"
#include "libgrpo/trainer/phases.hpp"

#include <cstdint>
#include <vector>

namespace grpo {

struct PassOptions {
  double temperature = 1.0;          ///< as sampled
  std::int64_t token_budget = 1024;  ///< packed rows per part
  Phases* phases = nullptr;          ///< times the "forward" and "backward" passes of accumulate_gradient(); may be null
};

/// Hears of the backward passes of accumulate_gradient(), on the thread that runs them.
class PassListener {
 public:
  virtual ~PassListener() = default;
  /// Before the first: so many follow, perhaps none.
  virtual void begin(std::size_t passes) = 0;
  virtual void before_backward(bool last) = 0;
  virtual void after_backward() = 0;
};

/// This caller's share of a step that several callers (ranks) take together; by default all of it.
struct PassShare {
  std::vector<bool> active = {};      ///< [N], completions to pass; empty: Credit::active
  bool leads = true;                  ///< of all callers one: adds Credit::constant, and is the one weight of the meter "loss"
  PassListener* listener = nullptr;   ///< may be null
  std::int64_t* bad_token = nullptr;  ///< gets the first token whose log-prob is not finite, if there is one; may be null
};

/// Log-probs and entropies of all completions with active[i] (empty: all). shape: [T] f32 each, 0 where not active
/// grad: none   cost: one forward over the batch
TokenScores score_batch(const Scorer& scorer, const Batch& batch, const PassOptions& options, const std::vector<bool>& active = {});

/// What the loss compares the policy with. [T] f32 each, undefined where there is none.
struct Comparison {
  at::Tensor ref_log_probs;
  at::Tensor old_log_probs;      ///< undefined: the policy is the one that sampled
  at::Tensor sampler_log_probs;  ///< undefined: there is nothing to correct
  TokenScores known = {};        ///< scores by the very weights that get the gradient, which are not computed again; undefined: none
};

/// Adds the gradient of the step's loss to the policy's parameters; completions that are not active cost nothing.
/// Meters: "loss" (all parts and Credit::constant), "entropy" (of the tokens scored), and what the objective measures.
/// "loss" is NaN if any token's log-prob is not finite.
/// `drift_from` [T] or undefined: also measures the mean |log_prob - drift_from| as sampling/sampling_logp_difference/mean, and the largest as .../max.
Meters accumulate_gradient(const Policy& policy, const Objective& objective, const Batch& batch, const Credit& credit,
                           const Comparison& comparison, const PassOptions& options, const at::Tensor& drift_from = {},
                           const PassShare& share = {});

}  // namespace grpo
