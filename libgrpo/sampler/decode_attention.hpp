/// Attention of one new token per row over cached keys and values that lie in several places.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace grpo {

/// `length` consecutive tokens of keys and values, each [Hkv, D] f32.
struct KeySpan {
  const float* keys;
  const float* values;
  std::int64_t length;
};

/// shape: q [R,Hq,D] f32 contiguous, spans [R] -> [R,Hq,D]   cost: memory-bound, one pass over the cached tokens
at::Tensor decode_attention(const at::Tensor& q, std::int64_t kv_heads, const std::vector<std::vector<KeySpan>>& spans,
                            float scale);

}  // namespace grpo
