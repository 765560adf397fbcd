#include "libgrpo/base/random.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <set>

using namespace grpo;

TEST_CASE("Philox4x32-10 gives the published test vectors") {
  // Known answers of the Random123 distribution (kat_vectors, philox4x32 10).
  CHECK(philox4x32({0, 0, 0, 0}, {0, 0}) == std::array<std::uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}) ==
        std::array<std::uint32_t, 4>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        std::array<std::uint32_t, 4>{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("a token's draw depends on every part of its key and on nothing else") {
  const TokenKey key{1, 2, 3, 4};
  CHECK(uniform(key) == uniform(key));
  std::set<double> different{uniform(key),
                             uniform({2, 2, 3, 4}),
                             uniform({1, 3, 3, 4}),
                             uniform({1, 2, 4, 4}),
                             uniform({1, 2, 3, 5}),
                             uniform({1, 2 + (1ULL << 40), 3, 4}),
                             uniform({1 + (1ULL << 40), 2, 3, 4})};
  CHECK(different.size() == 7);
}

TEST_CASE("draws over positions are uniform") {
  std::array<int, 16> counts{};
  const int n = 160000;
  for (int i = 0; i < n; ++i) ++counts[static_cast<std::size_t>(uniform({7, 8, 9, static_cast<std::uint32_t>(i)}) * 16)];
  double chi2 = 0.0;
  for (const int c : counts) chi2 += std::pow(c - n / 16.0, 2) / (n / 16.0);
  CHECK(chi2 < 37.7);  // 15 degrees of freedom, p = 0.001
}

TEST_CASE("a permutation holds each index once and is shuffled evenly") {
  std::array<int, 5> first{};
  for (std::uint64_t i = 0; i < 5000; ++i) {
    auto order = random_permutation(5, RandomStream(3, "test", i));
    ++first[order[0]];
    std::sort(order.begin(), order.end());
    REQUIRE(order == std::vector<std::uint32_t>{0, 1, 2, 3, 4});
  }
  for (const int c : first) CHECK(std::abs(c - 1000) < 130);
}

TEST_CASE("streams of other names, seeds and indices differ") {
  CHECK(RandomStream(1, "a").next_u32() != RandomStream(1, "b").next_u32());
  CHECK(RandomStream(1, "a").next_u32() != RandomStream(2, "a").next_u32());
  CHECK(RandomStream(1, "a", 0).next_u32() != RandomStream(1, "a", 1).next_u32());
}
