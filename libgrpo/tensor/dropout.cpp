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

/// Of a product of 32-bit numbers in 64 bits.
struct Halves {
  at::Tensor high, low;
  Halves(const at::Tensor& word, int64_t factor) {
    const auto product = word * factor;  // modulo 2^64
    high = at::bitwise_and(at::bitwise_right_shift(product, 32), 0xFFFFFFFF);
    low = at::bitwise_and(product, 0xFFFFFFFF);
  }
};

/// Whether each of n entries is dropped: random_words() by tensor operations, on whichever device. shape: [n] bool
at::Tensor dropped(int64_t n, uint64_t key, uint32_t below, const at::Device& device) {
  const int64_t counters = (n + kBlock - 1) / kBlock * kCounters;
  const auto counter = at::arange(counters, at::TensorOptions(device).dtype(at::kLong));
  at::Tensor c0 = at::bitwise_and(counter, 0xFFFFFFFF), c1 = at::bitwise_right_shift(counter, 32);
  at::Tensor c2 = at::zeros_like(counter), c3 = c2;
  auto k0 = static_cast<uint32_t>(key), k1 = static_cast<uint32_t>(key >> 32U);
  for (int round = 0; round < 10; ++round, k0 += 0x9E3779B9U, k1 += 0xBB67AE85U) {
    const Halves p0(c0, 0xD2511F53), p1(c2, 0xCD9E8D57);
    c0 = p1.high.bitwise_xor(c1).bitwise_xor(static_cast<int64_t>(k0));
    c2 = p0.high.bitwise_xor(c3).bitwise_xor(static_cast<int64_t>(k1));
    c1 = p1.low;
    c3 = p0.low;
  }
  // A block's entries take the first words of its counters, then the second ones, as in random_words().
  const auto words = at::stack({c0.view({-1, kCounters}), c1.view({-1, kCounters}), c2.view({-1, kCounters}), c3.view({-1, kCounters})}, 1);
  return words.reshape({-1}).narrow(0, 0, n).lt(static_cast<int64_t>(below));
}

}  // namespace

at::Tensor drop(const at::Tensor& x, const Dropout& dropout) {
  if (dropout.rate == 0.0) return x;
  const auto below = static_cast<uint32_t>(std::ldexp(dropout.rate, 32));
  if (!x.device().is_cpu())
    return (x * (1.0 / (1.0 - dropout.rate))).masked_fill(dropped(x.numel(), dropout.key, below, x.device()).view(x.sizes()), 0.0);
  const auto from = x.contiguous();
  auto out = at::empty(x.sizes(), x.options());
  const float* in = from.const_data_ptr<float>();
  auto* to = out.mutable_data_ptr<float>();
  const auto scale = static_cast<float>(1.0 / (1.0 - dropout.rate));
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
