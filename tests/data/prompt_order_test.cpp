#include "libgrpo/data/prompt_set.hpp"

#include "tests/format/scratch_file.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <numeric>
#include <set>

namespace grpo {
namespace {

using Catch::Matchers::Contains;

/// Row indices of batch number `step`.
std::vector<std::size_t> batch_of(PromptOrder& order, std::uint64_t step) {
  std::vector<std::size_t> rows;
  for (std::uint64_t i = 0; i < order.batch_size(); ++i) rows.push_back(order.row(step * order.batch_size() + i));
  return rows;
}
std::vector<std::size_t> batch_of(PromptOrder&& order, std::uint64_t step) { return batch_of(order, step); }

TEST_CASE("an epoch sees every prompt at most once, and drops only the short last batch") {
  PromptOrder order(103, 8, 42, true);
  CHECK(order.batches_per_epoch() == 12);
  for (std::uint64_t epoch = 0; epoch < 3; ++epoch) {
    std::vector<std::size_t> seen;
    for (std::uint64_t i = 0; i < 12; ++i) {
      const auto batch = batch_of(order, epoch * 12 + i);
      REQUIRE(batch.size() == 8);
      seen.insert(seen.end(), batch.begin(), batch.end());
    }
    CHECK(std::set<std::size_t>(seen.begin(), seen.end()).size() == 96);
    CHECK(*std::max_element(seen.begin(), seen.end()) < 103);
  }
}

TEST_CASE("with a fitting batch an epoch is a permutation") {
  PromptOrder order(96, 8, 42, true);
  std::vector<std::size_t> seen;
  for (std::uint64_t i = 0; i < 12; ++i) {
    const auto batch = batch_of(order, i);
    seen.insert(seen.end(), batch.begin(), batch.end());
  }
  CHECK_FALSE(std::is_sorted(seen.begin(), seen.end()));
  std::sort(seen.begin(), seen.end());
  std::vector<std::size_t> all(96);
  std::iota(all.begin(), all.end(), std::size_t{0});
  CHECK(seen == all);
}

TEST_CASE("a batch depends on its number alone, so a resumed run continues exactly") {
  PromptOrder whole(103, 8, 42, true);
  std::map<std::uint64_t, std::vector<std::size_t>> expected;
  for (std::uint64_t step = 0; step < 40; ++step) expected[step] = batch_of(whole, step);
  PromptOrder resumed(103, 8, 42, true);
  for (const std::uint64_t step : {39U, 0U, 12U, 11U, 25U, 24U, 39U, 13U}) CHECK(batch_of(resumed, step) == expected[step]);
  for (const std::uint64_t step : {0U, 17U, 39U}) CHECK(batch_of(PromptOrder(103, 8, 42, true), step) == expected[step]);
}

TEST_CASE("epochs and seeds differ in order") {
  PromptOrder order(64, 64, 42, true);
  CHECK(batch_of(order, 0) != batch_of(order, 1));
  CHECK(batch_of(order, 1) != batch_of(order, 2));
  CHECK(batch_of(order, 0) != batch_of(PromptOrder(64, 64, 43, true), 0));
}

TEST_CASE("without shuffling every epoch is the file's order") {
  PromptOrder order(7, 3, 42, false);
  for (const std::uint64_t epoch : {0U, 1U, 5U}) {
    CHECK(batch_of(order, 2 * epoch) == std::vector<std::size_t>{0, 1, 2});
    CHECK(batch_of(order, 2 * epoch + 1) == std::vector<std::size_t>{3, 4, 5});
  }
}

TEST_CASE("epochs are counted in fractions, and very late steps work") {
  PromptOrder order(16, 4, 42, true);
  CHECK(order.epoch(0) == 0.0);
  CHECK(order.epoch(24) == 1.5);
  CHECK(order.epoch(32) == 2.0);
  CHECK(batch_of(order, ~std::uint64_t{0}).size() == 4);
  CHECK(order.row(4 * 7 + 2) == batch_of(order, 7)[2]);
  PromptOrder one(1, 1, 42, true);
  CHECK(batch_of(one, ~std::uint64_t{0}) == std::vector<std::size_t>{0});
}

TEST_CASE("an order that makes no batch is refused") {
  CHECK_THAT(test::message_of(ErrorKind::data, [] { PromptOrder(5, 8, 42, true); }).value_or(""), Contains("5") && Contains("8"));
  CHECK(test::message_of(ErrorKind::data, [] { PromptOrder(0, 1, 42, true); }));
  CHECK(test::message_of(ErrorKind::data, [] { PromptOrder(std::size_t{1} << 32U, 8, 42, true); }));
  CHECK(test::message_of(ErrorKind::contract, [] { PromptOrder(5, 0, 42, true); }));
}

}  // namespace
}  // namespace grpo
