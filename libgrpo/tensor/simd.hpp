/// Small vectorised building blocks for the CPU kernels. Internal to tensor/ and sampler/.
///
/// Loops are plain C++ that the compiler vectorises; GRPO_SIMD_CLONES compiles a function once per instruction set and
/// the loader picks the best one for the machine (AVX-512, AVX2, baseline). Elsewhere it compiles once, as it does with
/// GRPO_ONE_INSTRUCTION_SET, by which tests get at the versions that the loader would not pick.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && !defined(GRPO_ONE_INSTRUCTION_SET)
#define GRPO_SIMD_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define GRPO_SIMD_CLONES
#endif
#define GRPO_INLINE inline __attribute__((always_inline))

namespace grpo::simd {

/// exp(x) within 2 ulp on [-87, 88]; clamped outside, so -inf gives 1e-38, not 0: mask before, never after.
/// Range reduction by ln 2 and a degree-6 polynomial; branch-free, so that loops around it vectorise.
GRPO_INLINE float exp(float x) {
  x = x < -87.0F ? -87.0F : (x > 88.0F ? 88.0F : x);
  constexpr float kShift = 12582912.0F;  // 1.5 * 2^23: adding it rounds to an integer held in the low mantissa bits
  const float shifted = x * 1.44269504F + kShift;
  const float n = shifted - kShift;
  const float r = (x - n * 0.693145752F) - n * 1.42860677e-6F;
  float p = 1.0F / 720.0F;
  p = p * r + 1.0F / 120.0F;
  p = p * r + 1.0F / 24.0F;
  p = p * r + 1.0F / 6.0F;
  p = p * r + 0.5F;
  p = p * r + 1.0F;
  p = p * r + 1.0F;
  const std::uint32_t power = std::bit_cast<std::uint32_t>(shifted) << 23U;  // n lands in the exponent field
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(p) + power);
}

/// tanh(x) within 1e-7 (absolute), as 1 - 2 / (exp(2x) + 1).
GRPO_INLINE float tanh(float x) { return 1.0F - 2.0F / (exp(2.0F * x) + 1.0F); }

GRPO_INLINE float dot(const float* a, const float* b, std::int64_t n) {
  float sum = 0.0F;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

/// y += scale * x
GRPO_INLINE void axpy(float* y, const float* x, float scale, std::int64_t n) {
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i) y[i] += scale * x[i];
}

GRPO_INLINE float max(const float* x, std::int64_t n) {
  float best = x[0];
#pragma omp simd reduction(max : best)
  for (std::int64_t i = 0; i < n; ++i) best = best > x[i] ? best : x[i];
  return best;
}

/// x <- softmax(x); returns log sum exp(x).
GRPO_INLINE float softmax(float* x, std::int64_t n) {
  const float top = max(x, n);
  float sum = 0.0F;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < n; ++i) {
    x[i] = exp(x[i] - top);
    sum += x[i];
  }
  const float inverse = 1.0F / sum;
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i) x[i] *= inverse;
  return top + std::log(sum);
}

/// Sums of e = exp(z * scale - top) and of e * (z * scale - top): what a log-sum-exp and an entropy are made of.
struct ExpSums {
  float e = 0.0F, weighted = 0.0F;
};

/// With `store`, z <- e as well. Keep n to some thousand: these are float sums.
template <bool store, class Float>
GRPO_INLINE ExpSums exp_sums(Float* z, std::int64_t n, float scale, float top) {
  float sum = 0.0F, weighted = 0.0F;
#pragma omp simd reduction(+ : sum, weighted)
  for (std::int64_t i = 0; i < n; ++i) {
    const float x = z[i] * scale - top;
    const float e = exp(x);
    sum += e;
    weighted += e * x;
    if constexpr (store) z[i] = e;
  }
  return {sum, weighted};
}

}  // namespace grpo::simd
