#include "libgrpo/base/error.hpp"
#include "tests/dist/ranks.hpp"

#include <ATen/ATen.h>
#include <catch2/catch.hpp>

#include <array>

using namespace grpo;
using grpo::testing::on_ranks;
using grpo::testing::quick_options;

TEST_CASE("sums and gathered bytes", "[dist]") {
  std::array<bool, 3> right{};
  on_ranks(3, [&](World& world) {
    const auto rank = static_cast<std::size_t>(world.rank());
    const auto values = at::arange(1000, at::kFloat) * static_cast<double>(rank + 1);
    world.sum(values);
    const auto bytes = world.gather_bytes(std::string(rank * 5, static_cast<char>('a' + rank)));
    right[rank] = at::equal(values, at::arange(1000, at::kFloat) * 6) &&
                  bytes == std::vector<std::string>{"", "bbbbb", "cccccccccc"};
  });
  CHECK(right == std::array<bool, 3>{true, true, true});
}

TEST_CASE("a rank that gives up ends the others with its phase and reason", "[dist]") {
  std::array<std::string, 3> told;
  on_ranks(3, [&](World& world) {
    world.enter_phase("reward");
    try {
      if (world.rank() == 1) {
        world.give_up("no such file");
      } else {
        world.sum(at::ones({1}));
      }
    } catch (const Error& error) {
      told[static_cast<std::size_t>(world.rank())] = error.what();
    }
  });
  for (const std::size_t rank : {0U, 2U}) {
    CHECK(told[rank].find("rank 1 of 3 on ") == 0);
    CHECK(told[rank].find("failed in phase \"reward\": no such file") != std::string::npos);
  }
}

TEST_CASE("a rank that keeps the others waiting is named when the time is up", "[dist]") {
  auto options = quick_options();
  options.timeout = std::chrono::seconds(1);
  options.lost_after = std::chrono::milliseconds(1500);
  std::string told;
  on_ranks(2, [&](World& world) {
    world.enter_phase(world.rank() == 0 ? "train" : "reward");
    if (world.rank() == 1) {
      std::this_thread::sleep_for(std::chrono::seconds(5));
      return;
    }
    try {
      world.sum(at::ones({1}));
    } catch (const Error& error) {
      told = error.what();
    }
  }, options);
  CHECK(told.find("rank 1 of 2 on ") == 0);
  CHECK(told.find("keeps the others waiting; it is in phase \"reward\"") != std::string::npos);
}
