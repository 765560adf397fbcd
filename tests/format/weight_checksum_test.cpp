#include "libgrpo/format/weight_checksum.hpp"

#include <catch2/catch.hpp>
#include <vector>

using grpo::WeightChecksum;

namespace {

std::vector<std::byte> bytes(std::size_t size) {
  std::vector<std::byte> data(size);
  for (std::size_t i = 0; i < size; ++i) data[i] = static_cast<std::byte>(i * 37 + 11);
  return data;
}

std::string sum_of(const char* name, const std::vector<std::byte>& data) {
  WeightChecksum sum;
  sum.add(name, data);
  return sum.text();
}

}  // namespace

TEST_CASE("a checksum of weights does not depend on their order") {
  WeightChecksum one, other;
  one.add("a", bytes(100));
  one.add("b", bytes(7));
  other.add("b", bytes(7));
  CHECK(one.text() != other.text());
  other.add("a", bytes(100));
  CHECK(one.text() == other.text());
  CHECK(one.text().size() == 16);
}

TEST_CASE("every bit, every name and the length count") {
  for (const std::size_t size : {1U, 8U, 31U, 100U}) {
    const auto good = bytes(size);
    const std::string sum = sum_of("w", good);
    CHECK(sum_of("v", good) != sum);
    auto longer = good;
    longer.push_back(std::byte{0});
    CHECK(sum_of("w", longer) != sum);
    for (std::size_t i = 0; i < size * 8; ++i) {
      auto bad = good;
      bad[i / 8] ^= std::byte{1} << (i % 8);
      CHECK(sum_of("w", bad) != sum);
    }
  }
}
