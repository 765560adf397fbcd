/// The training loop. step() is the one place that knows the order of things; everything else is a part that it calls.
#pragma once

#include "libgrpo/base/error.hpp"
#include "libgrpo/data/prompt_set.hpp"
#include "libgrpo/objective/objective.hpp"
#include "libgrpo/policy/policy.hpp"
#include "libgrpo/reward/reward_fn.hpp"
#include "libgrpo/sampler/sampler.hpp"
#include "libgrpo/trainer/adamw.hpp"
#include "libgrpo/trainer/gradient_sum.hpp"
#include "libgrpo/trainer/passes.hpp"
#include "libgrpo/trainer/phases.hpp"
#include "libgrpo/trainer/prompt_account.hpp"
#include "libgrpo/trainer/reference_sync.hpp"
#include "libgrpo/trainer/rollouts.hpp"
#include "libgrpo/trainer/rollouts_ahead.hpp"

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <optional>
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
  const Scorer* reference;                  ///< may be null if the objective needs none
  AdamW& optimizer;                         ///< of several ranks: over gradients->own()
  ReferenceSync* reference_sync = nullptr;  ///< may be null: the reference stays as it is
  World* world = nullptr;                   ///< may be null: there is one rank
  RolloutsAhead* ahead = nullptr;           ///< may be null: each batch is made in its turn
  GradientSum* gradients = nullptr;         ///< of several ranks: over the policy's parameters
};

struct TrainerOptions {
  std::int64_t total_steps = 1;
  std::uint64_t seed = 42;
  SamplingParams sampling;
  bool dynamic_sampling = false;
  std::int64_t dynamic_sampling_max_rounds = 4;
  double max_reward_failures = 1.0;                   ///< share of a reward's verdicts in one generation batch
  std::int64_t slices = 1;                            ///< optimizer steps that one pass over a generation batch is cut into, by groups
  std::int64_t num_iterations = 1;                    ///< passes over a generation batch
  bool noisy_passes = false;                          ///< the policy has dropout: each update's noise is keyed by seed and step
  bool correct_sampler = true;                        ///< truncated importance sampling where the sampler's log-probs are not exact
  std::function<double(std::int64_t)> learning_rate;  ///< of optimizer step 0, 1, ...
  double max_grad_norm = 1.0;                         ///< 0: no clipping
  std::int64_t token_budget = 1024;                   ///< packed rows per forward and backward part
  std::int64_t scoring_budget = 1024;                 ///< packed rows per part of a pass without gradients
  std::int64_t max_bad_steps = 10;                    ///< non-finite steps in a row before giving up
  std::int64_t refresh_interval = 1;                  ///< updates after which the sampler gets new weights; 0: once, at the start
};

/// Everything one step tells.
struct StepReport {
  std::int64_t step = 0;                               ///< 1 after the first
  bool skipped = false;                                ///< the update was not finite and was not applied
  std::string bad_number;                              ///< which number was not, if skipped (bad_numbers.hpp)
  std::vector<std::string> notes;                      ///< what else went wrong and was mended
  std::map<std::string, double> metrics;               ///< TRL's names
  std::vector<std::pair<std::string, double>> phases;  ///< seconds
  std::vector<std::pair<std::string, double>> passes;  ///< seconds of what phase "train" consists of
  std::vector<double> phase_peaks;                     ///< bytes: the most memory this process had by the end of each phase
  std::vector<bool> trained;                           ///< [N], completions whose loss was not left out; empty: all
  double seconds = 0.0;
  std::vector<Group> groups;
  RewardTable rewards;
  std::vector<double> coefficients;  ///< [N], advantages or weights
  std::vector<float> ref_log_probs;  ///< [T]; empty without a reference
  std::vector<float> old_log_probs;  ///< [T]; empty: the sampler's
};

/// Counters that a checkpoint keeps, so that a resumed run goes on as if nothing had happened.
struct TrainerState {
  std::int64_t step = 0;
  std::int64_t tokens_seen = 0;  ///< prompt and completion tokens, as TRL's num_tokens
  std::int64_t bad_steps = 0;    ///< skipped in a row
  std::uint64_t prompts_drawn = 0;
  std::int64_t updates_done = 0;  ///< on the generation batch in use
  PromptAccount prompts = {};
};

/// A generation batch in use. Between its first and its last update a checkpoint has to keep it.
struct Rollout {
  explicit Rollout(ScoredGroups groups) : scored(std::move(groups)), batch(scored.groups) {}
  ScoredGroups scored;
  Batch batch;
  at::Tensor ref_log_probs, old_log_probs;  ///< [T] f32; undefined where there is none, or where the sampler's will do
  std::int64_t weights = 0;                 ///< updates done when it was begun
  at::Tensor old_entropies;                 ///< with old_log_probs; the first update alone reads it, so checkpoints leave it out
};

/// Called by run(), in order, after each step; what is not part of the algorithm lives here.
class Hook {
 public:
  virtual ~Hook() = default;
  virtual void before_run(std::int64_t /*step*/) {}
  virtual void after_step(StepReport& report) = 0;
  /// `stopped`: a signal ended the run early; state must be saved.
  virtual void after_run(std::int64_t /*step*/, bool /*stopped*/) {}
  /// Too many rewards failed: the run ends, and state must be saved.
  virtual void after_failure(std::int64_t step) { after_run(step, /*stopped=*/true); }
};

class Trainer {
 public:
  /// `rollout`: the generation batch that a checkpoint kept, if it was taken between two updates of one.
  /// throws: Error{contract} if the objective needs a reference and there is none, groups do not fill the slices, several ranks have no
  /// gradients, or state and its account of prompts disagree
  Trainer(const TrainerParts& parts, TrainerOptions options, TrainerState state = {}, std::optional<Rollout> rollout = {});

  /// One optimizer update, on a fresh generation batch or on the next slice of the one in use. On one rank, passes that run out of memory
  /// are done again with half the token budget, once in the trainer's life.
  /// throws: Error{numeric} after max_bad_steps non-finite steps in a row; Error{backend} if memory runs out again; Error{contract} if a prompt
  /// is lost or comes twice
  StepReport step();
  /// Steps until total_steps or until `stop` becomes true on any rank. That is looked at between steps and, in a step, before its update's
  /// passes; a sampler may look more often (preemption.hpp). Returns whether it ran to the end.
  /// throws: as step(), and RewardsFailed after the hooks were told to save
  bool run(const std::vector<Hook*>& hooks, const std::atomic<bool>& stop);

  [[nodiscard]] const TrainerState& state() const { return state_; }
  /// Groups that the step at hand had finished when it was stopped while sampling: JSON lines, or empty.
  [[nodiscard]] const std::string& finished_groups() const { return finished_groups_; }
  /// The generation batch that is not used up yet, if there is one.
  [[nodiscard]] const Rollout* pending() const;

 private:
  [[nodiscard]] std::int64_t updates_per_rollout() const { return options_.slices * options_.num_iterations; }
  void next_rollout(Phases& phases);
  void refresh_sampler(Phases& phases);
  [[nodiscard]] bool exact_sampler() const;
  [[nodiscard]] Rollout make_rollout(Phases& phases);
  void keep_batches_ahead();
  [[nodiscard]] std::pair<std::size_t, std::size_t> groups_of_step() const;
  [[nodiscard]] Comparison comparison() const;
  [[nodiscard]] TokenScores known_scores() const;
  [[nodiscard]] CreditInput credit_input(Phases& phases);
  [[nodiscard]] PassOptions scoring() const { return {options_.sampling.temperature, options_.scoring_budget}; }
  [[nodiscard]] TokenScores score_policy(const std::vector<bool>& active) const;
  void open_account();
  void count_prompts();
  template <class Work>
  auto within_memory(const char* phase, Phases& phases, const Work& work);
  void halve_budget(const std::string& phase, const std::exception& error);
  [[nodiscard]] Meters train(const Credit& credit, Phases& passes);
  [[nodiscard]] Meters sum_ranks(const Meters& own);
  [[nodiscard]] bool any_rank(bool here);
  void update(StepReport& report, const Credit& credit, double loss);
  void skip_update(StepReport& report, const Credit& credit);
  [[nodiscard]] std::string bad_number(const Credit& credit);
  void name_bad_weight(const Error& error) const;
  void describe(StepReport& report, const Credit& credit, const Meters& meters) const;

  std::unique_ptr<World> solo_;  // where parts_ have no world
  TrainerParts parts_;
  TrainerOptions options_;
  World& world_;
  TrainerState state_;
  Rollouts rollouts_;
  std::optional<Rollout> rollout_;
  const std::atomic<bool>* stop_ = nullptr;  // while run() runs
  std::string finished_groups_;
  std::vector<std::string> notes_;            // of the step at hand
  bool halved_ = false;                       // the token budgets
  std::int64_t bad_token_ = -1;               // of the step at hand, see PassShare
  std::optional<std::int64_t> refreshed_at_;  // step whose weights the sampler has; nothing: not yet told
};

}  // namespace grpo
