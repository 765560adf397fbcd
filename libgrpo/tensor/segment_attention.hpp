/// Attention by plain tensor operations, one segment of the tree at a time: for devices that have no kernel of ours.
///
/// The arithmetic of attention.hpp, on any device and in any type. Where scores are not capped, at::scaled_dot_product_attention does
/// the work, which on a GPU is a fused kernel. The query heads that share a key head are given to it as further queries of that head,
/// so keys and values are not repeated.
#pragma once

#include "libgrpo/tensor/attention.hpp"

#include <ATen/core/Tensor.h>

namespace grpo {

/// As tree_attention(). cost: the rows of a segment times its path in bools (times query heads per key head), of one segment at a time
/// where nothing is kept for a backward pass; keys and values of a path are copied
at::Tensor tree_attention_by_segments(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const SegmentTree& tree,
                                      const AttentionRule& rule);

/// Attention of one text's last n tokens over all of it. shape: q [n,Hq,D], k and v [L,Hkv,D], n <= L -> [n,Hq,D]   grad: to q, k, v
at::Tensor causal_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const AttentionRule& rule);

/// Attention over what `visible` says; the rule's window is not looked at.
/// shape: q [B,n,Hq,D], k and v [B,L,Hkv,D], visible [B or 1,n,L] bool, at least one key for each query -> [B,n,Hq,D]   grad: to q, k, v
at::Tensor masked_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& visible,
                            const AttentionRule& rule);

}  // namespace grpo
