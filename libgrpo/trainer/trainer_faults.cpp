// What a trainer does about things that should not happen: prompts lost or doubled, numbers that are not finite, memory that runs out.
#include "libgrpo/base/error.hpp"
#include "libgrpo/base/random.hpp"
#include "libgrpo/tensor/precompiled.hpp"
#include "libgrpo/trainer/bad_numbers.hpp"
#include "libgrpo/trainer/trainer.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <span>

namespace grpo {

/// Drawn, but for what the batch in use has not been trained on yet.
void Trainer::open_account() {
  const std::int64_t first_pass = std::min(state_.updates_done, options_.slices);
  const std::size_t left = rollout_ ? rollout_->scored.groups.size() * static_cast<std::size_t>(options_.slices - first_pass) /
                                          static_cast<std::size_t>(options_.slices)
                                    : 0;
  const std::uint64_t epoch = parts_.order.prompts_per_epoch();
  const std::uint64_t key =
      fnv1a(fmt::format("{} {} {} {} {}", parts_.prompts.size(), epoch, parts_.order.batch_size(), options_.seed, options_.slices));
  state_.prompts.open(key, epoch, state_.prompts_drawn - left);
}

/// Those of this update, in the first pass over them; before they are trained on, and when nothing can stop the step any more but an error.
void Trainer::count_prompts() {
  if (state_.updates_done >= options_.slices) return;
  const auto [first, last] = groups_of_step();
  state_.prompts.train(std::span(rollout_->scored.groups).subspan(first, last - first));
}

/// Of several ranks, what the first one says that has such a number.
std::string Trainer::bad_number(const Credit& credit) {
  const std::string here = first_bad_number({parts_.optimizer.parameters(), rollout_->batch, rollout_->scored.groups,
                                             rollout_->ref_log_probs, rollout_->old_log_probs, credit, bad_token_});
  for (const std::string& of_rank : world_.gather_bytes(here))
    if (!of_rank.empty()) return of_rank;
  return "the norm of the gradient is beyond the range of its type";
}

/// All ranks know the same loss and norm, so they come here together.
void Trainer::skip_update(StepReport& report, const Credit& credit) {
  report.skipped = true;
  report.bad_number = bad_number(credit);
  if (++state_.bad_steps >= options_.max_bad_steps)
    throw Error(
        ErrorKind::numeric,
        fmt::format(
            "gradient or loss was not finite for {} steps in a row (max_bad_steps); in the last of them, {}. Lower learning_rate, or "
            "look at the model's weights; the last checkpoint is from before these steps",
            state_.bad_steps, report.bad_number));
}

/// No token can be drawn by weights that are not finite, and another try would be the same: the run ends, with the weight's name.
void Trainer::name_bad_weight(const Error& error) const {
  if (error.kind() != ErrorKind::numeric) return;
  const std::string bad = first_bad_weight(parts_.optimizer.parameters());
  if (!bad.empty()) throw Error(ErrorKind::numeric, fmt::format("{}: {}", error.what(), bad));
}

/// Ranks cannot go back on their own: others may wait for sums of the passes that failed.
void Trainer::halve_budget(const std::string& phase, const std::exception& error) {
  if (halved_ || world_.size() > 1)
    throw Error(ErrorKind::backend,
                fmt::format("out of memory in phase {}, with a token budget of {} rows{}: {}. Lower token_budget or max_completion_length, "
                            "set gradient_checkpointing or use_peft, and run the same command again: it goes on from the last checkpoint",
                            phase, options_.token_budget, halved_ ? ", halved already" : "", error.what()));
  halved_ = true;
  options_.token_budget = std::max<std::int64_t>(1, options_.token_budget / 2);
  options_.scoring_budget = std::max<std::int64_t>(1, options_.scoring_budget / 2);
  notes_.push_back(
      fmt::format("out of memory in phase {}; from here on the token budget is {} rows, half of what it was, and the phase was "
                  "done again. Set token_budget to this number for the next run",
                  phase, options_.token_budget));
}

}  // namespace grpo
