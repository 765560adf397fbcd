#include "libgrpo/trainer/trainer.hpp"

#include "libgrpo/base/check.hpp"
#include "libgrpo/base/random.hpp"
#include "libgrpo/tensor/precompiled.hpp"
#include "libgrpo/trainer/group_metrics.hpp"

#include <cmath>

namespace grpo {

Trainer::Trainer(const TrainerParts& parts, TrainerOptions options, TrainerState state)
    : parts_(parts), options_(std::move(options)), state_(state) {
  GRPO_CHECK(parts_.reference != nullptr || !parts_.objective.needs_reference(), "this objective needs a reference policy");
}

StepReport Trainer::step() {
  const Stopwatch watch;
  Phases phases;
  StepReport report;

  const auto prompts = phases.time("prompts", [&] { return next_prompts(); });
  report.groups = phases.time("sample", [&] { return parts_.sampler.generate(prompts, sampling_params()); });
  report.rewards = phases.time("reward", [&] { return parts_.reward.score(report.groups); });
  const Batch batch(report.groups);
  const auto ref_log_probs = phases.time("reference", [&] { return score_reference(batch); });
  const Credit credit = parts_.objective.credit(report.rewards, batch, ref_log_probs);
  parts_.optimizer.zero_grad();
  const Meters meters = phases.time("train", [&] { return backward(batch, credit, ref_log_probs); });
  phases.time("optimizer", [&] { update(report); });
  phases.time("refresh", [&] { parts_.sampler.refresh(parts_.policy); });

  state_.tokens_seen += count_tokens(report.groups);
  describe(report, credit, meters);
  parts_.objective.observe(report.metrics);
  report.coefficients = credit.coefficients;
  report.phases = phases.seconds();
  report.seconds = watch.seconds();
  return report;
}

bool Trainer::run(const std::vector<Hook*>& hooks, const std::atomic<bool>& stop) {
  for (Hook* hook : hooks) hook->before_run(state_.step);
  while (state_.step < options_.total_steps && !stop) {
    StepReport report = step();
    for (Hook* hook : hooks) hook->after_step(report);
  }
  const bool finished = state_.step >= options_.total_steps;
  for (Hook* hook : hooks) hook->after_run(state_.step, !finished);
  return finished;
}

std::vector<Prompt> Trainer::next_prompts() const {
  const auto step = static_cast<std::uint64_t>(state_.step);
  std::vector<Prompt> prompts;
  for (const std::size_t index : parts_.order.batch(step)) prompts.push_back(parts_.prompts.prompt(index));
  return prompts;
}

/// A prompt comes back every epoch; it must not meet the same random numbers again.
SamplingParams Trainer::sampling_params() const {
  SamplingParams params = options_.sampling;
  params.seed = derive_seed(options_.seed, static_cast<std::uint64_t>(state_.step) / parts_.order.batches_per_epoch());
  return params;
}

at::Tensor Trainer::score_reference(const Batch& batch) const {
  if (!parts_.objective.needs_reference()) return {};
  const at::NoGradGuard no_grad;
  auto log_probs = at::empty({batch.num_tokens()}, at::kFloat);
  for (const Part& part : batch.parts(options_.token_budget))
    log_probs.index_copy_(0, part.tokens, parts_.reference->score(part, options_.sampling.temperature).log_probs);
  return log_probs;
}

Meters Trainer::backward(const Batch& batch, const Credit& credit, const at::Tensor& ref_log_probs) {
  Meters meters;
  double total = 0.0;
  const auto per_token = at::tensor(credit.coefficients, at::kFloat).index_select(0, batch.completion_of());
  const auto of_part = [](const at::Tensor& all, const Part& part) {
    return all.defined() ? all.index_select(0, part.tokens) : at::Tensor();
  };
  for (const Part& part : batch.parts(options_.token_budget, credit.active)) {
    const TokenScores scores = parts_.policy.score(part, options_.sampling.temperature);
    const auto old_log_probs = of_part(batch.old_log_probs(), part), ref = of_part(ref_log_probs, part),
               coefficients = of_part(per_token, part), weights = of_part(credit.token_weights, part);
    const Loss loss = parts_.objective.loss({scores, old_log_probs, ref, coefficients, weights});
    loss.total.backward();
    meters.merge(loss.meters);
    total += loss.total.item<double>();
    const auto drift = (scores.log_probs.detach() - old_log_probs).abs();
    meters.add("sampling/sampling_logp_difference/mean", drift.sum().item<double>(), static_cast<double>(drift.numel()));
  }
  meters.add("loss", total, 1.0);
  return meters;
}

void Trainer::update(StepReport& report) {
  const double norm = parts_.optimizer.grad_norm();
  const double learning_rate = options_.learning_rate(state_.step);
  report.metrics["grad_norm"] = norm;
  report.metrics["learning_rate"] = learning_rate;
  report.step = ++state_.step;
  if (std::isfinite(norm)) {
    if (options_.max_grad_norm > 0.0 && norm > options_.max_grad_norm)
      parts_.optimizer.scale_grads(options_.max_grad_norm / (norm + 1e-6));
    parts_.optimizer.step(learning_rate);
    state_.bad_steps = 0;
    return;
  }
  report.skipped = true;
  if (++state_.bad_steps >= options_.max_bad_steps)
    throw Error(ErrorKind::numeric, "the gradient was not finite for " + std::to_string(state_.bad_steps) +
                                        " steps in a row (max_bad_steps); lower --learning_rate, or start again from the last "
                                        "checkpoint");
}

void Trainer::describe(StepReport& report, const Credit& credit, const Meters& meters) const {
  auto& metrics = report.metrics;
  metrics.insert(credit.metrics.begin(), credit.metrics.end());
  metrics.merge(meters.means());
  metrics.merge(group_metrics(report.groups, report.rewards));
  metrics["num_tokens"] = static_cast<double>(state_.tokens_seen);
  metrics["epoch"] = parts_.order.epoch(static_cast<std::uint64_t>(state_.step));
  metrics["skipped_steps"] = report.skipped ? 1.0 : 0.0;
}

}  // namespace grpo
