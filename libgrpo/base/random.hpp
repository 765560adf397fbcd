/// Counter-based randomness: a number depends on its key alone, never on how many were drawn before.
///
/// Generator: Philox4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011, section 3).
/// Because draws are keyed by (run seed, prompt id, sample index, token position), the same prompt draws the same
/// completion whatever the batch, the order, the rank or the number of ranks.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace grpo {

/// Ten rounds of Philox4x32. thread: pure. cost: ~10 ns
std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key) noexcept;

/// What one sampled token is keyed by.
struct TokenKey {
  std::uint64_t run_seed = 0;
  std::uint64_t prompt_id = 0;
  std::uint32_t sample = 0;    ///< index of the completion within its group
  std::uint32_t position = 0;  ///< index of the token within its completion
};

/// Uniform in [0, 1) with 32 random bits, as double.
double uniform(const TokenKey& key) noexcept;

/// A seed for the `index`-th use of `seed` (an epoch, say); index 0 gives `seed` itself.
constexpr std::uint64_t derive_seed(std::uint64_t seed, std::uint64_t index) noexcept { return seed + index * 0x9E3779B97F4A7C15ULL; }

/// A named sequence of random numbers, e.g. RandomStream(seed, "shuffle", epoch). Copyable; position is explicit state.
class RandomStream {
 public:
  RandomStream(std::uint64_t seed, std::string_view name, std::uint64_t index = 0) noexcept;

  std::uint32_t next_u32() noexcept;
  /// Uniform integer in [0, bound), unbiased (Lemire's rejection). throws: never; bound 0 returns 0
  std::uint32_t next_below(std::uint32_t bound) noexcept;

 private:
  std::array<std::uint32_t, 2> key_;
  std::uint64_t index_;
  std::uint64_t position_ = 0;
};

/// A permutation of 0..n-1 (Fisher-Yates), the same on every platform. n < 2^32. cost: O(n)
std::vector<std::uint32_t> random_permutation(std::uint32_t n, RandomStream stream);

/// FNV-1a, for keys and digests that must agree across runs and platforms.
constexpr std::uint64_t fnv1a(std::string_view bytes, std::uint64_t hash = 0xcbf29ce484222325ULL) noexcept {
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return hash;
}

}  // namespace grpo
