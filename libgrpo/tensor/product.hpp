/// The matrix products that scoring and training spend their time in, by whichever library is fastest at it.
///
/// A large x W^T on a CPU goes to oneDNN, which libtorch brings but does not use for float32 by itself: its kernels are chosen by
/// instruction set alone, where MKL's are plainer on processors of other makers. Anything else is at::linear and at::mm.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

namespace grpo {

/// shape: x [L,in], weight [out,in], bias [out] -> [L,out]; floating, one dtype and device   grad: none   cost: 2 L in out FLOPs
at::Tensor product(const at::Tensor& x, const at::Tensor& weight, const std::optional<at::Tensor>& bias = {});

/// out = a b + beta out, where beta 0 does not read what out holds. Each thread makes rows of its own: BLAS, dividing a product of
/// this size itself, has its threads wait for each other several times.
/// shape: out [m,n], a [m,k] (may be a transposed view), b [k,n]; floating, one dtype and device   grad: none   cost: 2 m n k FLOPs
void multiply(const at::Tensor& out, const at::Tensor& a, const at::Tensor& b, double beta);

}  // namespace grpo
