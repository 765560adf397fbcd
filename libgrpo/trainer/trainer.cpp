#include "libgrpo/trainer/trainer.hpp"

#include "libgrpo/base/check.hpp"
#include "libgrpo/base/random.hpp"
#include "libgrpo/tensor/lists.hpp"
#include "libgrpo/tensor/precompiled.hpp"
#include "libgrpo/trainer/dealt.hpp"
#include "libgrpo/trainer/group_metrics.hpp"
#include "libgrpo/trainer/out_of_memory.hpp"
#include "libgrpo/trainer/preemption.hpp"
#include "libgrpo/trainer/reward_failures.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <tuple>
#include <utility>

namespace grpo {

Trainer::Trainer(const TrainerParts& parts, TrainerOptions options, TrainerState state, std::optional<Rollout> rollout)
    : solo_(parts.world == nullptr ? make_solo_world() : nullptr),
      parts_(parts),
      options_(std::move(options)),
      world_(parts.world == nullptr ? *solo_ : *parts.world),
      state_(std::move(state)),
      rollouts_(world_, parts.prompts, parts.order, parts.sampler, parts.reward,
                {parts.order.batch_size(), options_.seed, options_.sampling, options_.dynamic_sampling,
                 options_.dynamic_sampling_max_rounds, options_.max_reward_failures}),
      rollout_(std::move(rollout)) {
  GRPO_CHECK(parts_.reference != nullptr || !parts_.objective.needs_reference(), "this objective needs a reference policy");
  GRPO_CHECK(options_.slices >= 1 && options_.num_iterations >= 1, "a generation batch is trained on at least once");
  GRPO_CHECK_EQ(parts_.order.batch_size() % static_cast<std::size_t>(options_.slices), 0U, "slices hold whole groups, as many each");
  if (!rollout_) state_.updates_done = 0;
  GRPO_CHECK(world_.size() == 1 || parts_.gradients != nullptr, "several ranks sum their gradients");
  open_account();
}

/// Does `work`, which is passes over a batch, as a phase; where memory runs out, again with half the token budget. What is computed does
/// not depend on the budget.
template <class Work>
auto Trainer::within_memory(const char* phase, Phases& phases, const Work& work) {
  while (true) {
    try {
      return phases.time(phase, work);
    } catch (const std::exception& error) {
      if (!is_out_of_memory(error)) throw;
      halve_budget(phase, error);
    }
  }
}

StepReport Trainer::step() {
  const Stopwatch watch;
  Phases phases([this](const std::string& name) { world_.enter_phase(name); });
  StepReport report;

  if (pending() == nullptr) next_rollout(phases);
  if (stop_ != nullptr && parts_.ahead == nullptr && any_rank(*stop_)) throw StepStopped();
  count_prompts();
  const CreditInput input = credit_input(phases);
  const Credit credit = parts_.objective.credit(input);
  if (options_.noisy_passes) parts_.policy.set_noise(derive_seed(options_.seed, static_cast<std::uint64_t>(state_.step) + 1));
  Phases passes;
  const Meters own = within_memory("train", phases, [&] { return train(credit, passes); });
  const Meters meters = parts_.gradients == nullptr ? own : phases.time("sum", [&] { return sum_ranks(own); });
  parts_.policy.set_noise(std::nullopt);
  phases.time("optimizer", [&] { update(report, credit, meters.means().at("loss")); });
  if (parts_.ahead != nullptr) {
    refresh_sampler(phases);
    parts_.ahead->weights_changed(*refreshed_at_);
  }

  describe(report, credit, meters);
  parts_.objective.observe(report.metrics);
  ++state_.updates_done;
  report.notes = std::exchange(notes_, {});
  report.phases = phases.seconds();
  report.phase_peaks = phases.peaks();
  report.passes = passes.seconds();
  report.seconds = watch.seconds();
  return report;
}

bool Trainer::run(const std::vector<Hook*>& hooks, const std::atomic<bool>& stop) {
  for (Hook* hook : hooks) hook->before_run(state_.step);
  stop_ = &stop;
  try {
    while (state_.step < options_.total_steps && !any_rank(stop)) {
      StepReport report = step();
      for (Hook* hook : hooks) hook->after_step(report);
    }
  } catch (const StepStopped& stopped) {  // on all ranks alike; what is left of the step is in the checkpoint
    finished_groups_ = stopped.finished;
  } catch (const RewardsFailed&) {  // on all ranks alike: they know the same rewards
    for (Hook* hook : hooks) hook->after_failure(state_.step);
    throw;
  }
  stop_ = nullptr;
  const bool finished = state_.step >= options_.total_steps;
  if (parts_.ahead != nullptr) keep_batches_ahead();
  for (Hook* hook : hooks) hook->after_run(state_.step, !finished);
  return finished;
}

/// Ends the making of batches. Those that wait for their turn are drawn no second time when the run goes on.
void Trainer::keep_batches_ahead() {
  parts_.ahead->stop();
  for (const auto& [distance, batch] : parts_.ahead->waiting()) {
    const std::uint64_t epoch = (batch.cursor - 1) / parts_.order.prompts_per_epoch();
    finished_groups_ += finished_lines(batch.scored.groups, derive_seed(options_.seed, epoch));
  }
}

/// The gradient of this rank's parts, and their meters.
Meters Trainer::train(const Credit& credit, Phases& passes) {
  parts_.optimizer.zero_grad();
  bad_token_ = -1;
  const Batch& batch = rollout_->batch;
  const PassOptions pass{options_.sampling.temperature, options_.token_budget, &passes};
  PassShare share;
  if (parts_.gradients != nullptr) share = {own_completions(world_, batch, credit.active), world_.leads(), parts_.gradients};
  share.bad_token = &bad_token_;
  Comparison compared = comparison();
  if (!options_.noisy_passes) compared.known = known_scores();
  const bool same_numbers = exact_sampler() && compared.known.log_probs.defined();
  const auto drift_from = state_.updates_done == 0 && !same_numbers ? batch.sampler_log_probs() : at::Tensor();
  Meters meters = accumulate_gradient(parts_.policy, parts_.objective, batch, credit, compared, pass, drift_from, share);
  for (const auto& [name, count] : parts_.sampler.counts()) meters.add(name, count, world_.leads() ? 1.0 : 0.0);  // summed over ranks
  return meters;
}

/// What is left of the sums behind the last backward pass.
Meters Trainer::sum_ranks(const Meters& own) {
  parts_.gradients->finish();
  return merge_meters(world_, own);
}

/// A signal reaches ranks at different moments; they all stop at the same step.
bool Trainer::any_rank(bool here) {
  if (world_.size() == 1) return here;
  const auto ranks = at::full({1}, here ? 1 : 0, at::kLong);
  world_.sum(ranks);
  return ranks.item<std::int64_t>() > 0;
}

const Rollout* Trainer::pending() const { return rollout_ && state_.updates_done < updates_per_rollout() ? &*rollout_ : nullptr; }

/// New weights go to the sampler before it samples, and not after every update: several updates may follow on one batch.
void Trainer::refresh_sampler(Phases& phases) {
  if (refreshed_at_ && (options_.refresh_interval == 0 || state_.step - *refreshed_at_ < options_.refresh_interval)) return;
  phases.time("refresh", [&] { parts_.sampler.refresh(parts_.policy, state_.step); });
  refreshed_at_ = state_.step;
}

/// Whether the sampler's log-probs are those of the policy that trains: its weights must be that policy's, too.
bool Trainer::exact_sampler() const {
  return options_.refresh_interval == 1 && parts_.ahead == nullptr && parts_.sampler.exact_log_probs();
}

Rollout Trainer::make_rollout(Phases& phases) {
  if (parts_.ahead == nullptr) return Rollout(rollouts_.next(state_.prompts_drawn, phases));
  parts_.ahead->start(state_.step, state_.prompts_drawn);
  BatchAhead made = parts_.ahead->next(phases);
  state_.prompts_drawn = made.cursor;
  Rollout rollout(std::move(made.scored));
  rollout.weights = made.weights;
  return rollout;
}

/// Samples, scores the reference, and the policy itself where the sampler's log-probs are not the policy's and will be needed
/// after the first update.
void Trainer::next_rollout(Phases& phases) {
  refresh_sampler(phases);
  const std::uint64_t first = state_.prompts_drawn;
  try {
    rollout_.emplace(make_rollout(phases));
  } catch (const Error& error) {
    name_bad_weight(error);
    throw;
  }
  state_.prompts.begin_batch(first, state_.prompts_drawn, rollout_->scored.groups.size());
  state_.updates_done = 0;
  state_.tokens_seen += count_tokens(rollout_->scored.groups);
  const Batch& batch = rollout_->batch;
  if (parts_.objective.needs_reference())
    rollout_->ref_log_probs =
        within_memory("reference", phases, [&] { return score_dealt(world_, *parts_.reference, batch, scoring()).log_probs; });
  if (!exact_sampler() && (updates_per_rollout() > 1 || parts_.objective.needs_old_log_probs()))
    std::tie(rollout_->old_log_probs, rollout_->old_entropies) = within_memory("score", phases, [&] {
      const TokenScores scores = score_policy({});
      return std::pair(scores.log_probs, scores.entropies);
    });
}

/// Of weights that are divided, passes are collective: ranks with fewer of them than others wait behind their own.
TokenScores Trainer::score_policy(const std::vector<bool>& active) const {
  return score_dealt(world_, parts_.policy, rollout_->batch, scoring(), active, [this] {
    if (parts_.gradients != nullptr) parts_.gradients->after_forward_passes();
  });
}

/// First and one past the last group of the present update.
std::pair<std::size_t, std::size_t> Trainer::groups_of_step() const {
  const auto per_slice = rollout_->scored.groups.size() / static_cast<std::size_t>(options_.slices);
  const auto first = static_cast<std::size_t>(state_.updates_done % options_.slices) * per_slice;
  return {first, first + per_slice};
}

/// With an exact sampler its log-probs are the old ones, unless dropout would count as a change of the policy.
/// Otherwise the old ones are the policy's own: computed when the batch was
/// made, or, on a batch that serves one update, equal to those of the update itself (undefined).
Comparison Trainer::comparison() const {
  const Batch& batch = rollout_->batch;
  const bool own = options_.noisy_passes && updates_per_rollout() == 1;
  if (exact_sampler()) return {rollout_->ref_log_probs, own ? at::Tensor() : batch.sampler_log_probs(), {}};
  return {rollout_->ref_log_probs, rollout_->old_log_probs, options_.correct_sampler ? batch.sampler_log_probs() : at::Tensor()};
}

/// Before its first update on a batch the policy is still the one that sampled it, and its scores may be there already.
TokenScores Trainer::known_scores() const {
  const Batch& batch = rollout_->batch;
  const bool exact = exact_sampler();
  const TokenScores scores{exact ? batch.sampler_log_probs() : rollout_->old_log_probs,
                           exact ? batch.sampler_entropies() : rollout_->old_entropies};
  const bool whole = state_.updates_done == 0 && scores.log_probs.defined() && scores.entropies.defined();
  return whole ? scores : TokenScores();
}

CreditInput Trainer::credit_input(Phases& phases) {
  const Batch& batch = rollout_->batch;
  CreditInput input{rollout_->scored.rewards, batch, rollout_->ref_log_probs, comparison().old_log_probs};
  const auto [first, last] = groups_of_step();
  for (const std::int64_t group : batch.group_of())
    input.in_step.push_back(static_cast<std::size_t>(group) >= first && static_cast<std::size_t>(group) < last);
  if (!parts_.objective.needs_current_scores()) return input;
  TokenScores now = known_scores();
  if (!now.log_probs.defined()) now = within_memory("score", phases, [&] { return score_policy(input.in_step); });
  input.log_probs = now.log_probs;
  input.entropies = now.entropies;
  return input;
}

void Trainer::update(StepReport& report, const Credit& credit, double loss) {
  const double own_norm = parts_.optimizer.grad_norm();
  const double norm = parts_.gradients != nullptr ? parts_.gradients->norm(own_norm) : own_norm;
  const double learning_rate = options_.learning_rate(state_.step);
  report.metrics["grad_norm"] = norm;
  report.metrics["learning_rate"] = learning_rate;
  report.step = ++state_.step;
  if (std::isfinite(norm) && std::isfinite(loss)) {
    if (options_.max_grad_norm > 0.0 && norm > options_.max_grad_norm) parts_.optimizer.scale_grads(options_.max_grad_norm / (norm + 1e-6));
    parts_.optimizer.step(learning_rate);
    if (parts_.gradients != nullptr) parts_.gradients->share_update();
    if (parts_.reference_sync != nullptr) parts_.reference_sync->after_step(state_.step);
    state_.bad_steps = 0;
    return;
  }
  skip_update(report, credit);
}

/// What the step trained on, and what it measured.
void Trainer::describe(StepReport& report, const Credit& credit, const Meters& meters) const {
  const auto [first, last] = groups_of_step();
  ScoredGroups trained = select_groups(rollout_->scored, first, last);
  report.groups = std::move(trained.groups);
  report.rewards = std::move(trained.rewards);
  const auto& group_of = rollout_->batch.group_of();
  const auto completion = [&](std::size_t group) {
    return std::lower_bound(group_of.begin(), group_of.end(), static_cast<std::int64_t>(group)) - group_of.begin();
  };
  const auto begin = completion(first), end = completion(last);
  report.coefficients.assign(credit.coefficients.begin() + begin, credit.coefficients.begin() + end);
  if (!credit.active.empty()) report.trained.assign(credit.active.begin() + begin, credit.active.begin() + end);
  const auto& token = rollout_->batch.first_token();
  const auto from = token[static_cast<std::size_t>(begin)], to = token[static_cast<std::size_t>(end)];
  const auto tokens_of = [&](const at::Tensor& all) { return to_list(all.defined() ? all.narrow(0, from, to - from) : all); };
  report.ref_log_probs = tokens_of(rollout_->ref_log_probs);
  report.old_log_probs = tokens_of(rollout_->old_log_probs);

  auto& metrics = report.metrics;
  metrics.insert(credit.metrics.begin(), credit.metrics.end());
  metrics.merge(group_metrics(report.groups, report.rewards));  // its entropy is that of all tokens, if the sampler told it
  metrics.merge(meters.means());
  if (state_.updates_done == 0) metrics.merge(trained.metrics);  // of the drawing, so told once
  metrics["num_tokens"] = static_cast<double>(state_.tokens_seen);
  if (parts_.ahead != nullptr) {
    const auto sampled = metrics.find("sampling/weight_version");  // where the sampler says so: a resumed batch is older than its run
    const double weights = sampled != metrics.end() ? sampled->second : static_cast<double>(rollout_->weights);
    metrics["sampling/staleness"] = static_cast<double>(report.step - 1) - weights;
  }
  metrics["epoch"] = parts_.order.epoch(state_.prompts_drawn);
  metrics["skipped_steps"] = report.skipped ? 1.0 : 0.0;
  metrics["bad_steps"] = static_cast<double>(state_.bad_steps);  // in a row
}

}  // namespace grpo
