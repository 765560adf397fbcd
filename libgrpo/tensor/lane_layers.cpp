#include "libgrpo/tensor/lane_layers.hpp"

#include "libgrpo/tensor/lane_linear.hpp"
#include "libgrpo/tensor/simd.hpp"

#include <cmath>

namespace grpo {

using std::int64_t;

GRPO_SIMD_CLONES void lane_norm(float* y, const float* x, const float* weight, int64_t n, float eps, int64_t rows, int64_t lanes) {
  float sum[kLanes] = {};
  for (int64_t i = 0; i < n; ++i) {
    const float* from = x + i * rows + lanes;
#pragma omp simd
    for (int64_t l = 0; l < kLanes; ++l) sum[l] += from[l] * from[l];
  }
  for (float& s : sum) s = 1.0F / std::sqrt(s / static_cast<float>(n) + eps);
  for (int64_t i = 0; i < n; ++i) {
    const float* from = x + i * rows + lanes;
    float* to = y + i * rows + lanes;
    const float w = weight[i];
#pragma omp simd
    for (int64_t l = 0; l < kLanes; ++l) to[l] = from[l] * sum[l] * w;
  }
}

GRPO_SIMD_CLONES void lane_add(float* x, const float* y, float scale, int64_t n, int64_t rows, int64_t lanes) {
  for (int64_t i = 0; i < n; ++i) {
    const float* from = y + i * rows + lanes;
    float* to = x + i * rows + lanes;
#pragma omp simd
    for (int64_t l = 0; l < kLanes; ++l) to[l] += scale * from[l];
  }
}

GRPO_SIMD_CLONES void lane_rotate(float* x, const float* cos, const float* sin, int64_t heads, int64_t half, int64_t width, int64_t rows,
                                  int64_t lanes) {
  for (int64_t h = 0; h < heads; ++h)
    for (int64_t i = 0; i < half; ++i) {
      float* low = x + (h * width + i) * rows + lanes;
      float* high = low + half * rows;
      const float *c = cos + i * rows + lanes, *s = sin + i * rows + lanes;
#pragma omp simd
      for (int64_t l = 0; l < kLanes; ++l) {
        const float a = low[l], b = high[l];
        low[l] = a * c[l] - b * s[l];
        high[l] = b * c[l] + a * s[l];
      }
    }
}

GRPO_SIMD_CLONES void lane_swiglu(float* y, const float* gate, const float* up, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) y[i] = gate[i] / (1.0F + simd::exp(-gate[i])) * up[i];
}

GRPO_SIMD_CLONES void lane_geglu_tanh(float* y, const float* gate, const float* up, int64_t n) {
  constexpr float kScale = 0.79788456F, kCubic = 0.044715F;  // sqrt(2 / pi)
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const float x = gate[i];
    y[i] = 0.5F * x * (1.0F + simd::tanh(kScale * (x + kCubic * x * x * x))) * up[i];
  }
}

GRPO_SIMD_CLONES void lane_softcap(float* z, int64_t n, float softcap) {
  const float inverse = 1.0F / softcap;
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) z[i] = softcap * simd::tanh(z[i] * inverse);
}

}  // namespace grpo
