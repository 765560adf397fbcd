/// CPU float32 kernels behind tree_attention(). Shapes as there; all tensors contiguous.
#pragma once

#include "libgrpo/tensor/attention.hpp"

#include <ATen/core/Tensor.h>

#include <tuple>

namespace grpo {

/// -> out [L,Hq,D], log-sum-exp of the scaled and capped scores [L,Hq]
std::tuple<at::Tensor, at::Tensor> tree_attention_forward(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                                          const SegmentTree& tree, const AttentionRule& rule);

/// -> dq, dk, dv
std::tuple<at::Tensor, at::Tensor, at::Tensor> tree_attention_backward(const at::Tensor& dout, const at::Tensor& q, const at::Tensor& k,
                                                                       const at::Tensor& v, const at::Tensor& out, const at::Tensor& lse,
                                                                       const SegmentTree& tree, const AttentionRule& rule);

}  // namespace grpo
