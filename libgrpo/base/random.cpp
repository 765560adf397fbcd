#include "libgrpo/base/random.hpp"

#include <numeric>
#include <utility>

namespace grpo {
namespace {

constexpr double kTwoToMinus32 = 1.0 / 4294967296.0;

std::uint32_t low(std::uint64_t x) { return static_cast<std::uint32_t>(x); }
std::uint32_t high(std::uint64_t x) { return static_cast<std::uint32_t>(x >> 32U); }

}  // namespace

std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> c, std::array<std::uint32_t, 2> k) noexcept {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53U} * c[0];
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57U} * c[2];
    c = {high(p1) ^ c[1] ^ k[0], low(p1), high(p0) ^ c[3] ^ k[1], low(p0)};
    k[0] += 0x9E3779B9U;
    k[1] += 0xBB67AE85U;
  }
  return c;
}

double uniform(const TokenKey& key) noexcept {
  const auto bits =
      philox4x32({low(key.prompt_id), high(key.prompt_id), key.sample, key.position}, {low(key.run_seed), high(key.run_seed)});
  return bits[0] * kTwoToMinus32;
}

RandomStream::RandomStream(std::uint64_t seed, std::string_view name, std::uint64_t index) noexcept
    : key_{low(seed) ^ low(fnv1a(name)), high(seed) ^ high(fnv1a(name))}, index_(index) {}

std::uint32_t RandomStream::next_u32() noexcept {
  const auto bits = philox4x32({low(position_ / 4), high(position_ / 4), low(index_), high(index_)}, key_);
  return bits[position_++ % 4];
}

std::uint32_t RandomStream::next_below(std::uint32_t bound) noexcept {
  if (bound == 0) return 0;
  const std::uint32_t reject_below = (0U - bound) % bound;
  for (;;) {
    const std::uint64_t product = std::uint64_t{next_u32()} * bound;
    if (low(product) >= reject_below) return high(product);
  }
}

std::vector<std::uint32_t> random_permutation(std::uint32_t n, RandomStream stream) {
  std::vector<std::uint32_t> order(n);
  std::iota(order.begin(), order.end(), 0U);
  for (std::uint32_t i = n; i > 1; --i) std::swap(order[i - 1], order[stream.next_below(i)]);
  return order;
}

}  // namespace grpo
