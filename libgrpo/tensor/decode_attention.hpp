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

/// softmax(scale q k^T) v, scores bounded by softcap * tanh(score / softcap) where softcap > 0. A window is the caller's: it
/// leaves out the tokens that are too far away.
/// shape: q [R,Hq,D] f32 contiguous, spans [R] -> [R,Hq,D]   cost: memory-bound, one pass over the cached tokens
at::Tensor decode_attention(const at::Tensor& q, std::int64_t kv_heads, const std::vector<std::vector<KeySpan>>& spans, float scale,
                            float softcap = 0.0F);

}  // namespace grpo
