#include "libgrpo/base/error.hpp"
#include "libgrpo/data/prompt_source.hpp"

#include "tests/data/byte_tokenizer.hpp"

#include <catch2/catch.hpp>
#include <cstdio>
#include <set>

namespace grpo {
namespace {

TEST_CASE("sums: 57 questions to train on, 24 others held out, 81 together") {
  for (const std::uint64_t seed : {0U, 1U, 42U}) {
    const auto train = make_sums(TaskSplit::train, seed);
    const auto held_out = make_sums(TaskSplit::held_out, seed);
    CHECK(train->size() == 57);
    CHECK(held_out->size() == 24);
    std::set<std::pair<int, int>> pairs;
    std::set<std::string> origins;
    for (const auto* source : {train.get(), held_out.get()}) {
      for (std::size_t i = 0; i < source->size(); ++i) {
        const Row row = source->row(i);
        int a = 0;
        int b = 0;
        REQUIRE(std::sscanf(row.question.c_str(), "What is %d + %d?", &a, &b) == 2);
        CHECK(row.question == "What is " + std::to_string(a) + " + " + std::to_string(b) + "?");
        CHECK(row.solution == std::to_string(a + b));
        CHECK(row.origin == "sums:" + std::to_string(9 * (a - 1) + b));
        CHECK(row.columns.at("answer") == row.solution);
        CHECK((a >= 1 && a <= 9 && b >= 1 && b <= 9));
        pairs.emplace(a, b);
        origins.insert(row.origin);
      }
    }
    CHECK(pairs.size() == 81);
    CHECK(origins.size() == 81);
  }
}

TEST_CASE("sums: the seed decides the split, and the same seed the same one") {
  CHECK(test::questions(*make_sums(TaskSplit::train, 7)) == test::questions(*make_sums(TaskSplit::train, 7)));
  CHECK(test::questions(*make_sums(TaskSplit::train, 7)) != test::questions(*make_sums(TaskSplit::train, 8)));
  CHECK_THROWS_AS(make_sums(TaskSplit::held_out, 7)->row(24), Error);
}

}  // namespace
}  // namespace grpo
