/// The matrix product that scoring and training spend their time in, by whichever library is fastest at it.
///
/// A large x W^T on a CPU goes to oneDNN, which libtorch brings but does not use for float32 by itself: its kernels are chosen by
/// instruction set alone, where MKL's are plainer on processors of other makers. Anything else is at::linear.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

namespace grpo {

/// shape: x [L,in], weight [out,in], bias [out] -> [L,out]; floating, one dtype and device   grad: none   cost: 2 L in out FLOPs
at::Tensor product(const at::Tensor& x, const at::Tensor& weight, const std::optional<at::Tensor>& bias = {});

}  // namespace grpo
