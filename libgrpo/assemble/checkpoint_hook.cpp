#include "libgrpo/assemble/checkpoint_hook.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/checkpoint/optimizer_shards.hpp"
#include "libgrpo/config/print.hpp"
#include "libgrpo/rollout/saved_groups.hpp"
#include "libgrpo/tensor/lists.hpp"
#include "libgrpo/tensor/precompiled.hpp"

#include <exception>
#include <fmt/format.h>
#include <functional>
#include <utility>

namespace grpo {
namespace {

namespace fs = std::filesystem;

NamedTensors parameters_of(const Policy& policy) {
  NamedTensors named;
  for (const Parameter& p : policy.parameters()) named.emplace_back(p.name, p.tensor.detach());
  return named;
}

/// The generation batch that is not used up, as text; empty if the next step samples.
std::string pending_rollout(const Trainer& trainer) {
  const Rollout* rollout = trainer.pending();
  if (rollout == nullptr) return {};
  return to_json_lines(
      {rollout->scored.groups, rollout->scored.rewards, {}, to_list(rollout->ref_log_probs), to_list(rollout->old_log_probs)},
      trainer.state().step);
}

/// What `work` threw, as text; empty if it did not.
std::string failure_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const std::exception& error) {
    const std::string what = error.what();
    return what.empty() ? "it failed and does not say why" : what;
  }
  return {};
}

}  // namespace

CheckpointContents CheckpointHook::contents(const Policy& policy) const {
  const Recipe& recipe = assembly_.loaded.recipe;
  const TrainerState& state = assembly_.trainer->state();
  const RunState run{state.step,
                     assembly_.optimizer->steps(),
                     state.tokens_seen,
                     state.bad_steps,
                     assembly_.plan.total_steps,
                     assembly_.order->epoch(state.prompts_drawn),
                     static_cast<std::uint64_t>(recipe.run.seed),
                     state.prompts_drawn,
                     state.updates_done,
                     assembly_.objective->state()};
  return {policy,
          *assembly_.model.tokenizer,
          assembly_.optimizer->state(),
          run,
          to_toml(assembly_.loaded, false),
          assembly_.moving_reference ? parameters_of(*assembly_.moving_reference) : NamedTensors(),
          pending_rollout(*assembly_.trainer),
          assembly_.trainer->finished_groups(),
          chosen_template(assembly_),
          state.prompts.state()};
}

void CheckpointHook::after_step(StepReport& report) {
  const CheckpointOptions& options = assembly_.loaded.recipe.checkpoint;
  const bool by_steps = options.save_strategy == SaveStrategy::steps && report.step % options.save_steps == 0;
  if (!by_steps && !interval_passed()) return;
  go_on(finish());  // one at a time, if a step without an update came between
  go_on(start());
}

void CheckpointHook::after_run(std::int64_t step, bool stopped) {
  if (stopped && assembly_.loaded.recipe.checkpoint.save_on_signal) return save_at_end(step);
  go_on(finish());
}

void CheckpointHook::after_failure(std::int64_t step) { save_at_end(step); }

/// The last chance: what fails now ends the run with an error.
void CheckpointHook::save_at_end(std::int64_t step) {
  go_on(finish());
  const bool inside = assembly_.trainer->pending() != nullptr || !assembly_.trainer->finished_groups().empty();
  if (step == saved_step_ && !inside) return;
  std::string failure = start();
  if (failure.empty()) failure = finish();
  if (failure.empty()) return;
  throw Error(ErrorKind::backend,
              fmt::format("step {} could not be saved: {}. What the run did since the checkpoint before it is lost; run the "
                          "same command again to go on from there",
                          step, failure));
}

bool CheckpointHook::interval_passed() const {
  const double minutes = assembly_.loaded.recipe.checkpoint.save_interval_minutes;
  if (minutes == 0.0) return false;
  const bool passed = since_save_.seconds() >= 60.0 * minutes;
  return sharded() ? !assembly_.world.gather_bytes(passed ? "passed" : "")[0].empty() : passed;
}

void CheckpointHook::go_on(const std::string& failure) {
  if (failure.empty() || !assembly_.world.leads()) return;
  log_.warning(fmt::format(
      "a checkpoint could not be saved: {}. The run goes on, with the checkpoints before it, and saves again when the next is due",
      failure));
}

/// The same on all ranks that save together: what the first says that says anything.
std::string CheckpointHook::first_of_ranks(const std::string& mine) const {
  if (!sharded()) return mine;
  for (const std::string& of_rank : assembly_.world.gather_bytes(mine))
    if (!of_rank.empty()) return of_rank;
  return {};
}

/// Returns why saving could not begin, or an empty text.
std::string CheckpointHook::start() {
  World& world = assembly_.world;
  world.enter_phase("checkpoint");
  since_save_ = Stopwatch();
  if (!world.leads() && !sharded()) return {};
  const std::int64_t step = assembly_.trainer->state().step;
  std::string failure;
  if (world.leads()) failure = failure_of([&] { partial_ = begin_checkpoint(assembly_.loaded.recipe.run.output_dir, step); });
  failure = first_of_ranks(failure);
  if (!failure.empty()) return failure;
  partial_ = first_of_ranks(world.leads() ? partial_.string() : "");  // the folder is there before anybody writes into it
  const auto policy = whole_policy(assembly_);
  std::function<void()> write;
  if (world.leads()) {
    write = [this, ranks = sharded() ? world.size() : 1, policy, contents = contents(*policy)] {
      write_checkpoint(partial_, contents, ranks);
      if (!sharded()) publish();
    };
  } else {
    write = [path = partial_ / optimizer_file(world.rank(), world.size()), state = assembly_.optimizer->state()] {
      write_tensors(path, state);
    };
  }
  saved_step_ = step;
  saving_ = std::async(std::launch::async, std::move(write)).share();
  assembly_.optimizer->wait_for_reader([this] { go_on(finish()); });
  return {};
}

/// Waits for what is being saved, of all ranks. Returns why it failed, or an empty text.
std::string CheckpointHook::finish() {
  if (!saving_.valid()) return {};
  std::string failure = first_of_ranks(failure_of([this] { std::exchange(saving_, {}).get(); }));
  if (failure.empty() && sharded()) failure = first_of_ranks(assembly_.world.leads() ? failure_of([this] { publish(); }) : "");
  if (failure.empty()) return {};
  saved_step_ = -1;
  std::error_code ignored;
  if (assembly_.world.leads()) fs::remove_all(partial_, ignored);  // room for what comes
  return failure;
}

void CheckpointHook::publish() const {
  finish_checkpoint(partial_, saved_step_);
  const auto keep = assembly_.loaded.recipe.checkpoint.save_total_limit;
  if (keep) rotate_checkpoints(partial_.parent_path(), saved_step_, *keep, log_);
}

}  // namespace grpo
