/// Rows of a large table, and gradients that go straight into it.
///
/// A vocabulary's table is by far the largest tensor of a small model; its gradient is added where it is kept (kept_gradient.hpp).
#pragma once

#include <ATen/core/Tensor.h>

namespace grpo {

/// shape: weight [V,D] of any float type, ids [L] i64 in [0,V) -> [L,D] f32, off the CPU of the weight's type   grad: to weight   cost: memory-bound, independent of V
at::Tensor embedding(const at::Tensor& weight, const at::Tensor& ids);

}  // namespace grpo
