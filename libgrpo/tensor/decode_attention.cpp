#include "libgrpo/tensor/decode_attention.hpp"

#include "libgrpo/tensor/precompiled.hpp"
#include "libgrpo/tensor/simd.hpp"

namespace grpo {
namespace {

using std::int64_t;

struct Heads {
  int64_t group;   // query heads per key head
  int64_t width;   // floats per head
  int64_t stride;  // floats per cached token
};

/// All query heads of one key head, for one row. `scores` holds group x (tokens) floats.
GRPO_SIMD_CLONES void attend_row(float* out, const float* q, const std::vector<KeySpan>& spans, int64_t head, const Heads& h, float scale,
                                 float softcap, float* scores, int64_t tokens) {
  int64_t at = 0;
  for (const KeySpan& span : spans) {
    const float* key = span.keys + head * h.width;
    for (int64_t t = 0; t < span.length; ++t, key += h.stride, ++at)
      for (int64_t g = 0; g < h.group; ++g) scores[g * tokens + at] = scale * simd::dot(q + g * h.width, key, h.width);
  }
  if (softcap > 0.0F) {
    const float inverse = 1.0F / softcap;
#pragma omp simd
    for (int64_t i = 0; i < h.group * tokens; ++i) scores[i] = softcap * simd::tanh(scores[i] * inverse);
  }
  for (int64_t g = 0; g < h.group; ++g) simd::softmax(scores + g * tokens, tokens);
  std::fill(out, out + h.group * h.width, 0.0F);
  at = 0;
  for (const KeySpan& span : spans) {
    const float* value = span.values + head * h.width;
    for (int64_t t = 0; t < span.length; ++t, value += h.stride, ++at)
      for (int64_t g = 0; g < h.group; ++g) simd::axpy(out + g * h.width, value, scores[g * tokens + at], h.width);
  }
}

}  // namespace

at::Tensor decode_attention(const at::Tensor& q, int64_t kv_heads, const std::vector<std::vector<KeySpan>>& spans, float scale,
                            float softcap) {
  const int64_t rows = q.size(0), heads = q.size(1), width = q.size(2);
  const Heads shape{heads / kv_heads, width, kv_heads * width};
  auto out = at::empty_like(q);
  const float* from = q.const_data_ptr<float>();
  auto* to = out.mutable_data_ptr<float>();
  at::parallel_for(0, rows * kv_heads, 1, [&](int64_t begin, int64_t end) {
    std::vector<float> scores;
    for (int64_t i = begin; i < end; ++i) {
      const auto& row_spans = spans[static_cast<std::size_t>(i / kv_heads)];
      int64_t tokens = 0;
      for (const KeySpan& span : row_spans) tokens += span.length;
      scores.resize(static_cast<std::size_t>(shape.group * tokens));
      const int64_t at = (i / kv_heads) * heads * width + (i % kv_heads) * shape.group * width;
      attend_row(to + at, from + at, row_spans, i % kv_heads, shape, scale, softcap, scores.data(), tokens);
    }
  });
  return out;
}

}  // namespace grpo
