/// How far the policy has moved from the one that sampled, and how far that one was from what the sampler computed.
///
///     token     w_t = exp(log pi(t) - log pi_old(t))
///     sequence  w_t = exp(mean over the completion of log pi - log pi_old), the same at each of its tokens
///
/// Source: Shao et al. 2024, "DeepSeekMath", equation 3 (token); Zheng et al. 2025, "GSPO", equation 7 (sequence).
/// Log-ratios are capped at +-20 before exp: nothing overflows, and a clip removes such a token's gradient long before.
///
/// All tensors [T of a part]; completion and completions as in completion_sums.hpp.
#pragma once

#include "libgrpo/config/objective_options.hpp"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>

namespace grpo {

/// grad: to log_probs
at::Tensor importance_ratio(const at::Tensor& log_probs, const at::Tensor& old_log_probs, const at::Tensor& completion,
                            std::int64_t completions, ImportanceSamplingLevel level);

/// Truncated importance sampling: r = pi_old / pi_sampler per token, or the product over the completion, either clamped to
/// [low, high] (truncate) or set to 0 outside (mask). A token without a sampler log-prob (NaN) counts as ratio 1.
/// grad: none. Source: Yao et al. 2025, "Your efficient RL framework secretly brings you off-policy training" (token_truncate);
/// the sequence ratio is a product, so it drifts with the length: a bound for a token is tight for a long completion.
at::Tensor sampler_correction(const at::Tensor& old_log_probs, const at::Tensor& sampler_log_probs, const at::Tensor& completion,
                              std::int64_t completions, SamplerCorrection mode, std::optional<double> low, std::optional<double> high);

/// 1 where a completion is kept, 0 where it was bad (advantage < 0) and the policy has moved away from the sampler by more than
/// `threshold` nats a token: such completions only push a policy further off. grad: none
/// Source: DeepSeek-AI 2025, "DeepSeek-V3.2", section 3.1, off-policy sequence masking.
at::Tensor off_policy_mask(const at::Tensor& log_probs, const at::Tensor& sampler_log_probs, const at::Tensor& advantages,
                           const at::Tensor& completion, std::int64_t completions, double threshold);

}  // namespace grpo
