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
    right[rank] = at::equal(values, at::arange(1000, at::kFloat) * 6) && bytes == std::vector<std::string>{"", "bbbbb", "cccccccccc"};
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
  on_ranks(
      2,
      [&](World& world) {
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
      },
      options);
  CHECK(told.find("rank 1 of 2 on ") == 0);
  CHECK(told.find("keeps the others waiting; it is in phase \"reward\"") != std::string::npos);
}

TEST_CASE("each rank keeps the sum of its own piece, over the ranks that send, and gathers bring the pieces together", "[dist]") {
  std::array<bool, 3> right{};
  on_ranks(3, [&](World& world) {
    const auto rank = static_cast<std::size_t>(world.rank());
    const auto share = at::ones({4}, at::kFloat);
    const auto values = at::arange(12, at::kFloat) * static_cast<double>(rank + 1);
    world.start_sum_shares(values, share, {true, true, true})->wait();
    bool good =
        at::equal(share, 1 + 6 * at::arange(4 * static_cast<std::int64_t>(rank), 4 * static_cast<std::int64_t>(rank) + 4, at::kFloat));
    // A rank that has nothing to send gives none, and what comes may be narrower than the sum.
    const auto half = at::full({rank == 1 ? 0 : 6}, 0.5, at::kBFloat16);
    const auto few = at::zeros({2}, at::kFloat);
    world.start_sum_shares(half, few, {true, false, true})->wait();
    good = good && at::equal(few, at::ones({2}));
    const auto whole = at::zeros({12}, at::kFloat);
    world.start_gather(whole, share)->wait();
    good = good && at::equal(whole, 1 + 6 * at::arange(12, at::kFloat));
    right[rank] = good;
  });
  CHECK(right == std::array<bool, 3>{true, true, true});
}

TEST_CASE("a signal at one rank is known to all", "[dist]") {
  std::array<bool, 3> early{}, late{};
  on_ranks(3, [&](World& world) {
    const auto rank = static_cast<std::size_t>(world.rank());
    early[rank] = world.asked_to_stop();
    static_cast<void>(world.gather_bytes(""));
    if (rank == 1) world.ask_to_stop();
    for (int looks = 0; looks < 100 && !world.asked_to_stop(); ++looks) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    late[rank] = world.asked_to_stop();
    static_cast<void>(world.gather_bytes(""));
  });
  CHECK(early == std::array<bool, 3>{false, false, false});
  CHECK(late == std::array<bool, 3>{true, true, true});
}
