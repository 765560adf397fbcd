#include "libgrpo/objective/importance.hpp"

#include "libgrpo/tensor/completion_sums.hpp"
#include "libgrpo/tensor/precompiled.hpp"

#include <limits>

namespace grpo {
namespace {

constexpr double kLogRatioCap = 20.0;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

at::Tensor without_nan(const at::Tensor& x) { return at::where(x.isnan(), at::zeros_like(x), x); }

}  // namespace

at::Tensor importance_ratio(const at::Tensor& log_probs, const at::Tensor& old_log_probs, const at::Tensor& completion,
                            std::int64_t completions, ImportanceSamplingLevel level) {
  auto log_ratio = log_probs - old_log_probs;
  if (level == ImportanceSamplingLevel::sequence) log_ratio = completion_means(log_ratio, completion, completions);
  return log_ratio.clamp(-kLogRatioCap, kLogRatioCap).exp();
}

at::Tensor sampler_correction(const at::Tensor& old_log_probs, const at::Tensor& sampler_log_probs, const at::Tensor& completion,
                              std::int64_t completions, SamplerCorrection mode, std::optional<double> low, std::optional<double> high) {
  const at::NoGradGuard no_grad;
  auto log_ratio = without_nan(old_log_probs - sampler_log_probs);
  if (mode == SamplerCorrection::sequence_truncate || mode == SamplerCorrection::sequence_mask)
    log_ratio = completion_sums(log_ratio, completion, completions).index_select(0, completion);
  const auto ratio = log_ratio.clamp(-kLogRatioCap, kLogRatioCap).exp();
  const double floor = low.value_or(0.0), cap = high.value_or(kInfinity);
  if (mode == SamplerCorrection::token_truncate || mode == SamplerCorrection::sequence_truncate) return ratio.clamp(floor, cap);
  return at::where(ratio.ge(floor).logical_and(ratio.le(cap)), ratio, at::zeros_like(ratio));
}

at::Tensor off_policy_mask(const at::Tensor& log_probs, const at::Tensor& sampler_log_probs, const at::Tensor& advantages,
                           const at::Tensor& completion, std::int64_t completions, double threshold) {
  const at::NoGradGuard no_grad;
  const auto drift = completion_means(without_nan(sampler_log_probs - log_probs.detach()), completion, completions);
  return advantages.ge(0).logical_or(drift.le(threshold)).to(log_probs.scalar_type());
}

}  // namespace grpo
