#include "libgrpo/trainer/passes.hpp"

#include "libgrpo/tensor/precompiled.hpp"
#include "libgrpo/trainer/bad_numbers.hpp"

#include <limits>

namespace grpo {
namespace {

/// Number of the first token of a part whose log-prob is not finite; -1: there is none.
std::int64_t first_bad_token(const Part& part, const TokenScores& scores) {
  const std::int64_t at = first_not_finite(scores.log_probs.detach());
  return at < 0 ? -1 : part.tokens[at].item<std::int64_t>();
}

}  // namespace

TokenScores score_batch(const Scorer& scorer, const Batch& batch, const PassOptions& options, const std::vector<bool>& active) {
  const at::NoGradGuard no_grad;
  TokenScores all{at::zeros({batch.num_tokens()}, at::kFloat), at::zeros({batch.num_tokens()}, at::kFloat)};
  for (const Part& part : batch.parts(options.token_budget, active)) {
    const TokenScores scores = scorer.score(part, options.temperature);
    all.log_probs.index_copy_(0, part.tokens, scores.log_probs);
    all.entropies.index_copy_(0, part.tokens, scores.entropies);
  }
  return all;
}

Meters accumulate_gradient(const Policy& policy, const Objective& objective, const Batch& batch, const Credit& credit,
                           const Comparison& comparison, const PassOptions& options, const at::Tensor& drift_from, const PassShare& share) {
  Meters meters;
  double total = share.leads ? credit.constant : 0.0;
  const auto parts = batch.parts(options.token_budget, share.active.empty() ? credit.active : share.active);
  if (share.listener != nullptr) share.listener->begin(parts.size());
  const auto timed = [&](const char* phase, auto&& work) { return options.phases == nullptr ? work() : options.phases->time(phase, work); };
  for (const Part& part : parts) {
    const auto of_part = [&](const at::Tensor& all) { return all.defined() ? all.index_select(0, part.tokens) : at::Tensor(); };
    const TokenScores known{of_part(comparison.known.log_probs), of_part(comparison.known.entropies)};
    const LossInput input{timed("forward",
                                [&] {
                                  return known.log_probs.defined() ? policy.score_known(part, options.temperature, known)
                                                                   : policy.score(part, options.temperature);
                                }),
                          part.completion,
                          part.num_completions,
                          of_part(comparison.old_log_probs),
                          of_part(comparison.ref_log_probs),
                          of_part(comparison.sampler_log_probs),
                          of_part(credit.advantages),
                          of_part(credit.token_weights),
                          of_part(credit.policy_mask),
                          of_part(credit.entropy_weights),
                          of_part(credit.linear)};
    const Loss loss = objective.loss(input);
    if (share.listener != nullptr) share.listener->before_backward(&part == &parts.back());
    if (loss.total.requires_grad()) timed("backward", [&] { loss.total.backward(); });
    if (share.listener != nullptr) share.listener->after_backward();
    meters.merge(loss.meters);
    total += loss.total.item<double>();
    if (const std::int64_t bad = first_bad_token(part, input.scores); bad >= 0) {
      total = std::numeric_limits<double>::quiet_NaN();  // clipping may have hidden it from loss and gradient
      if (share.bad_token != nullptr && *share.bad_token < 0) *share.bad_token = bad;
    }
    const auto entropies = input.scores.entropies.detach();
    meters.add("entropy", entropies.sum().item<double>(), static_cast<double>(entropies.numel()));
    if (!drift_from.defined()) continue;
    const auto drift = (input.scores.log_probs.detach() - of_part(drift_from)).abs();
    meters.add("sampling/sampling_logp_difference/mean", drift.sum().item<double>(), static_cast<double>(drift.numel()));
    if (drift.numel() > 0) meters.add_largest("sampling/sampling_logp_difference/max", drift.max().item<double>());
  }
  meters.add("loss", total, share.leads ? 1.0 : 0.0);
  return meters;
}

}  // namespace grpo
