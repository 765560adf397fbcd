/// The training loop. step() is the one place that knows the order of things; everything else is a part that it calls.
#pragma once

#include "libgrpo/data/prompt_set.hpp"
#include "libgrpo/objective/objective.hpp"
#include "libgrpo/policy/policy.hpp"
#include "libgrpo/reward/reward_fn.hpp"
#include "libgrpo/sampler/sampler.hpp"
#include "libgrpo/trainer/adamw.hpp"
#include "libgrpo/trainer/phases.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace grpo {

/// What a trainer works with. All must outlive it.
struct TrainerParts {
  const PromptSet& prompts;
  PromptOrder& order;
  Sampler& sampler;
  const RewardSet& reward;
  Objective& objective;
  Policy& policy;
  const Policy* reference;  ///< may be null if the objective needs none
  AdamW& optimizer;
};

struct TrainerOptions {
  std::int64_t total_steps = 1;
  std::uint64_t seed = 42;
  SamplingParams sampling;
  std::function<double(std::int64_t)> learning_rate;  ///< of optimizer step 0, 1, ...
  double max_grad_norm = 1.0;                         ///< 0: no clipping
  std::int64_t token_budget = 1024;                   ///< packed rows per forward and backward part
  std::int64_t max_bad_steps = 10;                    ///< non-finite steps in a row before giving up
};

/// Everything one step tells.
struct StepReport {
  std::int64_t step = 0;      ///< 1 after the first
  bool skipped = false;       ///< the update was not finite and was not applied
  std::map<std::string, double> metrics;  ///< TRL's names
  std::vector<std::pair<std::string, double>> phases;  ///< seconds
  double seconds = 0.0;
  std::vector<Group> groups;
  RewardTable rewards;
  std::vector<double> coefficients;  ///< [N], advantages or weights
};

/// Counters that a checkpoint keeps, so that a resumed run goes on as if nothing had happened.
struct TrainerState {
  std::int64_t step = 0;
  std::int64_t tokens_seen = 0;  ///< prompt and completion tokens, as TRL's num_tokens
  std::int64_t bad_steps = 0;    ///< skipped in a row
};

/// Called by run(), in order, after each step; what is not part of the algorithm lives here.
class Hook {
 public:
  virtual ~Hook() = default;
  virtual void before_run(std::int64_t /*step*/) {}
  virtual void after_step(StepReport& report) = 0;
  /// `stopped`: a signal ended the run early; state must be saved.
  virtual void after_run(std::int64_t /*step*/, bool /*stopped*/) {}
};

class Trainer {
 public:
  Trainer(const TrainerParts& parts, TrainerOptions options, TrainerState state = {});

  /// One batch of prompts, one optimizer update. throws: Error{numeric} after max_bad_steps non-finite steps in a row
  StepReport step();
  /// Steps until total_steps or until `stop` becomes true (looked at between steps). Returns whether it ran to the end.
  bool run(const std::vector<Hook*>& hooks, const std::atomic<bool>& stop);

  [[nodiscard]] const TrainerState& state() const { return state_; }

 private:
  [[nodiscard]] std::vector<Prompt> next_prompts() const;
  [[nodiscard]] SamplingParams sampling_params() const;
  [[nodiscard]] at::Tensor score_reference(const Batch& batch) const;
  Meters backward(const Batch& batch, const Credit& credit, const at::Tensor& ref_log_probs);
  void update(StepReport& report);
  void describe(StepReport& report, const Credit& credit, const Meters& meters) const;

  TrainerParts parts_;
  TrainerOptions options_;
  TrainerState state_;
};

}  // namespace grpo
