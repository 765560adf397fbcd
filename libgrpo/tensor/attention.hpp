/// Attention over a forest of segments (segments.hpp): softmax(cap(scale * q k^T)) v, exact, without padding.
///
///     cap(s) = softcap tanh(s / softcap), or s without a softcap   (Gemma Team 2024, "Gemma 2", section 2.2)
///     a query at position p sees keys at positions p - window < . <= p, or all <= p without a window
///     (Jiang et al. 2023, "Mistral 7B", section 2); positions are those in the text, so ancestors count
///
/// Grouped-query attention: Hq query heads share Hkv key/value heads, Hq a multiple of Hkv.
/// Three implementations, tested equal: a dense-mask one of plain tensor operations (any dtype, easy to read), one that takes the
/// segments one by one (segment_attention.hpp, for GPUs), and a CPU kernel that computes each shared segment's keys once and never builds an [L,L] matrix; its backward pass
/// recomputes the probabilities from the kept log-sum-exp, as in FlashAttention (Dao et al. 2022, section 3.1).
#pragma once

#include "libgrpo/tensor/segments.hpp"

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace grpo {

/// How scores are made and which keys count. A bare number is plain attention of that scale.
struct AttentionRule {
  double scale = 1.0;
  std::int64_t window = 0;  ///< keys that a query sees, itself included; 0: all
  double softcap = 0.0;     ///< bound of the scores; 0: none

  AttentionRule(double scale_, std::int64_t window_ = 0, double softcap_ = 0.0)  // NOLINT(google-explicit-constructor)
      : scale(scale_), window(window_), softcap(softcap_) {}
};

/// shape: q [L,Hq,D], k and v [L,Hkv,D], L = tree.rows -> [L,Hq,D]; floating, same dtype and device
/// grad: to q, k, v   throws: Error{contract} on shapes
/// cost: O(sum over segments of length * path length) time; memory beside the inputs: O(L) on CPU float32, of one segment's
/// rows times its path off the CPU, O(L^2) otherwise
at::Tensor tree_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const SegmentTree& tree,
                          const AttentionRule& rule);

/// The readable version of the same function. cost: O(L^2) memory
at::Tensor tree_attention_reference(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const SegmentTree& tree,
                                    const AttentionRule& rule);

}  // namespace grpo
