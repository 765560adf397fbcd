/// Attention over a forest of segments (segments.hpp): softmax(scale * q k^T) v, exact, without padding.
///
/// Grouped-query attention: Hq query heads share Hkv key/value heads, Hq a multiple of Hkv.
/// Two implementations, tested equal: a dense-mask one of plain tensor operations (any device, any dtype, easy to read)
/// and a CPU kernel that computes each shared segment's keys once and never builds an [L,L] matrix; its backward pass
/// recomputes the probabilities from the kept log-sum-exp, as in FlashAttention (Dao et al. 2022, section 3.1).
#pragma once

#include "libgrpo/tensor/segments.hpp"

#include <ATen/core/Tensor.h>

namespace grpo {

/// shape: q [L,Hq,D], k and v [L,Hkv,D], L = tree.rows -> [L,Hq,D]; floating, same dtype and device
/// grad: to q, k, v   throws: Error{contract} on shapes
/// cost: O(sum over segments of length * path length) time; O(L) memory beside the inputs on CPU float32, O(L^2) otherwise
at::Tensor tree_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const SegmentTree& tree, double scale);

/// The readable version of the same function. cost: O(L^2) memory
at::Tensor tree_attention_reference(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const SegmentTree& tree,
                                    double scale);

}  // namespace grpo
