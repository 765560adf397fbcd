#include "libgrpo/tensor/page_attention.hpp"

#include "libgrpo/tensor/simd.hpp"

#include <algorithm>

namespace grpo {
namespace {

using std::int64_t;

typedef float Vector __attribute__((vector_size(64), aligned(64)));
constexpr int64_t kWidth = 16, kPageVectors = kPageTokens / kWidth;

/// Tokens [first, count) of a page as seen by a query.
struct Seen {
  int64_t first, count;
};

Seen seen(const PageSpan& span, int64_t first) { return {std::clamp<int64_t>(first - span.position, 0, span.count), span.count}; }

/// Scores of `group` query heads with a page's tokens, all 64 of them at once; those that are seen are kept.
template <int group>
GRPO_INLINE void page_scores(float* to, int64_t stride, const float* q, const float* keys, int64_t width, Seen s, float scale) {
  Vector sum[group][kPageVectors] = {};
  for (int64_t d = 0; d < width; ++d) {
    const auto* key = reinterpret_cast<const Vector*>(keys + d * kPageTokens);
    for (int g = 0; g < group; ++g)
      for (int64_t i = 0; i < kPageVectors; ++i) sum[g][i] += key[i] * q[g * width + d];
  }
  for (int g = 0; g < group; ++g) {
    const auto* all = reinterpret_cast<const float*>(sum[g]);
    for (int64_t t = s.first; t < s.count; ++t) to[g * stride + t - s.first] = scale * all[t];
  }
}

/// `vectors` x 16 entries of the result, over all tokens.
template <int group, int vectors>
GRPO_INLINE void weigh_values(float* out, int64_t out_stride, const float* weights, int64_t tokens, const std::vector<PageSpan>& spans,
                              int64_t first, int64_t offset, int64_t stride) {
  Vector sum[group][vectors] = {};
  for (const PageSpan& span : spans) {
    const Seen s = seen(span, first);
    for (int64_t t = s.first; t < s.count; ++t, ++weights) {
      const auto* value = reinterpret_cast<const Vector*>(span.page + offset + t * stride);
      for (int g = 0; g < group; ++g)
        for (int i = 0; i < vectors; ++i) sum[g][i] += value[i] * weights[g * tokens];
    }
  }
  for (int g = 0; g < group; ++g)
    for (int i = 0; i < vectors; ++i) *reinterpret_cast<Vector*>(out + g * out_stride + kWidth * i) = sum[g][i];
}

template <int group>
GRPO_INLINE void attend(float* out, const float* q, const std::vector<PageSpan>& spans, const PageShape& shape, const PageQuery& query,
                        float* scores, int64_t tokens) {
  int64_t at = 0;
  for (const PageSpan& span : spans) {
    const Seen s = seen(span, query.first);
    if (s.first == s.count) continue;
    page_scores<group>(scores + at, tokens, q, span.page + shape.keys(query.layer, query.head), shape.width, s, query.scale);
    at += s.count - s.first;
  }
  if (query.softcap > 0.0F) {
    const float inverse = 1.0F / query.softcap;
#pragma omp simd
    for (int64_t i = 0; i < group * tokens; ++i) scores[i] = query.softcap * simd::tanh(scores[i] * inverse);
  }
  for (int g = 0; g < group; ++g) simd::softmax(scores + g * tokens, tokens);
  const int64_t stride = shape.padded_width(), values = shape.values(query.layer, query.head);
  int64_t d = 0;
  for (; d + 64 <= stride; d += 64) weigh_values<group, 4>(out + d, stride, scores, tokens, spans, query.first, values + d, stride);
  for (; d < stride; d += 16) weigh_values<group, 1>(out + d, stride, scores, tokens, spans, query.first, values + d, stride);
}

/// Up to three heads at once fit the registers.
GRPO_SIMD_CLONES void attend_group(float* out, const float* q, const std::vector<PageSpan>& spans, const PageShape& shape,
                                   const PageQuery& query, float* scores, int64_t tokens, int64_t group) {
  if (group == 1) attend<1>(out, q, spans, shape, query, scores, tokens);
  if (group == 2) attend<2>(out, q, spans, shape, query, scores, tokens);
  if (group == 3) attend<3>(out, q, spans, shape, query, scores, tokens);
}

}  // namespace

void page_attention(float* out, const float* q, const std::vector<PageSpan>& spans, const PageShape& shape, const PageQuery& query,
                    float* scores) {
  int64_t tokens = 0;
  for (const PageSpan& span : spans) {
    const Seen s = seen(span, query.first);
    tokens += s.count - s.first;
  }
  for (int64_t g = 0; g < query.group;) {
    const int64_t count = std::min<int64_t>(3, query.group - g);
    attend_group(out + g * shape.padded_width(), q + g * shape.width, spans, shape, query, scores, tokens, count);
    g += count;
  }
}

}  // namespace grpo
