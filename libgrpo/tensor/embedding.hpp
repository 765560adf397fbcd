/// Rows of a large table, and gradients that go straight into it.
///
/// autograd makes the gradient of a table as a whole tensor for every part of a step, and adds it to the one there is. A vocabulary's
/// table is by far the largest tensor of a small model; here its gradient is added where it is kept.
#pragma once

#include <ATen/core/Tensor.h>

namespace grpo {

/// shape: weight [V,D] of any float type, ids [L] i64 in [0,V) -> [L,D] f32   grad: to weight   cost: memory-bound, independent of V
at::Tensor embedding(const at::Tensor& weight, const at::Tensor& ids);

/// The gradient that a float32 leaf keeps, zeros if it has none yet, for a backward pass to add to; undefined for any other tensor.
at::Tensor kept_gradient(const at::Tensor& leaf);

}  // namespace grpo
