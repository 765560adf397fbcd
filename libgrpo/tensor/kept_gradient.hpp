/// Gradients that a backward pass adds where they are kept.
///
/// autograd has every gradient of a part made whole and then adds it to the one there is: for a matrix of weights that is three times
/// the memory traffic of a product that adds by itself. A function that adds hands autograd no gradient; hooks that wait for the leaf's
/// (trainer/gradient_sum.hpp) are called all the same, once every use of the leaf has had its turn.
#pragma once

#include <ATen/core/Tensor.h>

namespace grpo {

/// The gradient that a float32 leaf keeps, zeros if it has none yet, for a backward pass to add to; undefined for any other tensor.
at::Tensor kept_gradient(const at::Tensor& leaf);

}  // namespace grpo
