/// Reductions over the tokens of each completion of packed tensors.
///
/// `completion` [T] i64 names each token's completion, counted from 0 in order, `completions` how many there are.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace grpo {

/// Sum over each completion's tokens. shape: [T] -> [completions]   grad: to values
at::Tensor completion_sums(const at::Tensor& values, const at::Tensor& completion, std::int64_t completions);

/// Mean over each completion's tokens, given back at every token. shape: [T] -> [T]   grad: to values
at::Tensor completion_means(const at::Tensor& values, const at::Tensor& completion, std::int64_t completions);

}  // namespace grpo
