/// A matrix product with low-rank adapters on it, and with weights that may be held in half precision.
///
///     y = x W^T + bias;   y[:, first .. first + rows) += scale (drop(x) A^T) B^T   for every adapter
///
/// Source: Hu et al. 2021, "LoRA", section 4.1. W is not copied: where it is bfloat16 or float16 a float32 copy lives for the
/// length of one product, in the forward and again in the backward pass.
#pragma once

#include "libgrpo/tensor/dropout.hpp"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <vector>

namespace grpo {

/// An adapter on some rows of a matrix.
struct LowRank {
  at::Tensor a;  ///< [r, in] f32
  at::Tensor b;  ///< [rows, r] f32
  std::int64_t first_row = 0;
  double scale = 1.0;
};

/// An input that is cheap to make of a tensor that is kept anyway: x = make(source). The backward pass makes it again, and x itself is
/// not kept. `make` must give the same bits both times, and what it refers to must live until then.
struct Derived {
  at::Tensor source;
  std::function<at::Tensor(const at::Tensor&)> make;
};

/// shape: x [L,in] f32, weight [out,in] f32, bf16 or f16, bias [out] of the weight's type or undefined -> [L,out] f32; off the CPU x may be of
/// any float type, and so is what comes out
/// grad: to x, to a and b, and to weight and bias where they want one (in their own type)
/// cost: 2 L in out FLOPs, and 2 L r (in + rows) for each adapter
at::Tensor adapted_linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, const std::vector<LowRank>& adapters = {},
                          const Dropout& dropout = {});

/// The same of x.make(x.source). grad: to x.source as well, through `make`   cost: `make` once more in the backward pass, where the
/// weight or an adapter wants a gradient
at::Tensor adapted_linear(const Derived& x, const at::Tensor& weight, const at::Tensor& bias, const std::vector<LowRank>& adapters = {},
                          const Dropout& dropout = {});

/// The readable version of the same function. cost: keeps every product
at::Tensor adapted_linear_reference(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                                    const std::vector<LowRank>& adapters = {}, const Dropout& dropout = {});

}  // namespace grpo
