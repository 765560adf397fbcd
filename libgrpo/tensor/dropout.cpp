#include "libgrpo/tensor/dropout.hpp"

#include "libgrpo/base/random.hpp"
#include "libgrpo/tensor/precompiled.hpp"
#include "libgrpo/tensor/simd.hpp"

#include <algorithm>
#include <cmath>

namespace grpo {
namespace {

using std::int64_t;
using std::uint32_t;
using std::uint64_t;

constexpr int64_t kCounters = 64;          // taken together
constexpr int64_t kBlock = 4 * kCounters;  // entries they decide

/// bits[w * kCounters + i] is word w of philox4x32 at counter first + i (random.hpp): the same numbers, many at a time.
GRPO_SIMD_CLONES void random_words(uint32_t* bits, uint64_t first, uint64_t key) {
  uint32_t *c0 = bits, *c1 = bits + kCounters, *c2 = bits + 2 * kCounters, *c3 = bits + 3 * kCounters;
  for (int64_t i = 0; i < kCounters; ++i) {
    const uint64_t counter = first + static_cast<uint64_t>(i);
    c0[i] = static_cast<uint32_t>(counter);
    c1[i] = static_cast<uint32_t>(counter >> 32U);
    c2[i] = c3[i] = 0;
  }
  auto k0 = static_cast<uint32_t>(key), k1 = static_cast<uint32_t>(key >> 32U);
  for (int round = 0; round < 10; ++round, k0 += 0x9E3779B9U, k1 += 0xBB67AE85U) {
#pragma omp simd
    for (int64_t i = 0; i < kCounters; ++i) {
      const uint64_t p0 = uint64_t{0xD2511F53U} * c0[i], p1 = uint64_t{0xCD9E8D57U} * c2[i];
      c0[i] = static_cast<uint32_t>(p1 >> 32U) ^ c1[i] ^ k0;
      c2[i] = static_cast<uint32_t>(p0 >> 32U) ^ c3[i] ^ k1;
      c1[i] = static_cast<uint32_t>(p1);
      c3[i] = static_cast<uint32_t>(p0);
    }
  }
}

GRPO_SIMD_CLONES void keep_some(float* y, const float* x, const uint32_t* bits, uint32_t below, float scale, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) y[i] = bits[i] < below ? 0.0F : x[i] * scale;
}

}  // namespace

at::Tensor drop(const at::Tensor& x, const Dropout& dropout) {
  if (dropout.rate == 0.0) return x;
  const auto from = x.contiguous();
  auto out = at::empty(x.sizes(), x.options());
  const float* in = from.const_data_ptr<float>();
  auto* to = out.mutable_data_ptr<float>();
  const auto scale = static_cast<float>(1.0 / (1.0 - dropout.rate));
  const auto below = static_cast<uint32_t>(std::ldexp(dropout.rate, 32));
  at::parallel_for(0, (x.numel() + kBlock - 1) / kBlock, 64, [&](int64_t begin, int64_t end) {
    alignas(64) uint32_t bits[kBlock];
    for (int64_t block = begin; block < end; ++block) {
      random_words(bits, static_cast<uint64_t>(block * kCounters), dropout.key);
      keep_some(to + block * kBlock, in + block * kBlock, bits, below, scale, std::min(kBlock, x.numel() - block * kBlock));
    }
  });
  return out;
}

}  // namespace grpo
