/// How token losses become one number: the weight of every token, the same however a step is cut into parts.
///
///     grpo, sapo           1 / (N T_i)                       completions count alike (DeepSeekMath, equation 3)
///     bnpo                 1 / sum_i T_i                     tokens of this optimizer step count alike
///     dapo, cispo, vespo   (M / N) / sum_j T_j               tokens count alike (Yu et al. 2025, "DAPO", equation 8)
///     dr_grpo              1 / (N max_completion_length)     no length bias (Liu et al. 2025, "R1-Zero", section 3.1)
///     luspo                1 / N                             length-unbiased ("LUSPO", arXiv 2602.05261)
///
/// N counts the step's completions, T_i the counted tokens of one, M and j the completions of the generation batch, which may
/// last for several steps. TRL divides bnpo by the tokens of each micro-batch, which
/// makes its loss depend on gradient_accumulation_steps; here it is the whole step, as for one micro-batch there.
#pragma once

#include "libgrpo/config/objective_options.hpp"
#include "libgrpo/objective/objective.hpp"

#include <vector>

namespace grpo {

/// Which completions take part. A masked completion has weight 0 but stays in N; an excluded one leaves N as well.
struct Counted {
  std::vector<bool> tokens;       ///< [N of the batch]
  std::vector<bool> completions;  ///< [N of the batch]
};

/// Truncated completions masked (mask_truncated_completions), completions of groups without signal (std 0) excluded
/// (exclude_zero_std_groups), and always those whose reward failed: as if they had not been sampled. `group_std` [B]
Counted counted(const CreditInput& input, const std::vector<double>& group_std, const ObjectiveOptions& options);

/// Completions of each group of the step that can be compared: those with a reward (not NaN) that are not masked as truncated.
/// A group of the step may come out empty; groups outside the step are left out.
std::vector<std::vector<std::size_t>> groups_of_step(const CreditInput& input, const std::vector<double>& rewards,
                                                     const ObjectiveOptions& options);

/// shape: -> [T] f32, 0 for tokens outside the step or not counted
at::Tensor token_weights(LossType type, const CreditInput& input, const Counted& counted, std::int64_t max_completion_length);

/// One number per completion, at each of its tokens. shape: [N] -> [T] f32
at::Tensor at_tokens(const std::vector<double>& per_completion, const Batch& batch);

}  // namespace grpo
