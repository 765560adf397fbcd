#include "libgrpo/base/random.hpp"
#include "libgrpo/data/prompt_set.hpp"

#include "tests/data/byte_tokenizer.hpp"
#include "tests/format/scratch_file.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <limits>
#include <map>
#include <set>

namespace grpo {
namespace {

using Catch::Matchers::Contains;
using test::questions;
using test::Rows;

std::unique_ptr<PromptSource> mix(std::vector<std::pair<std::size_t, double>> sizes, std::uint64_t seed) {
  std::vector<MixturePart> parts;
  for (const auto& [size, weight] : sizes) {
    parts.push_back({std::make_unique<Rows>("part" + std::to_string(parts.size()), size), weight});
  }
  return make_mixture(std::move(parts), {seed}).train;
}

std::size_t count_of(const std::vector<std::string>& all, const std::string& start) {
  return static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [&](const std::string& text) { return text.starts_with(start); }));
}

TEST_CASE("a weight keeps that share of the rows, rounded down, each once") {
  // size, weight, rows kept
  const std::tuple<std::size_t, double, std::size_t> cases[] = {{100, 1.0, 100}, {100, 0.5, 50}, {7, 0.5, 3},
                                                                {10, 0.1, 1},    {3, 0.34, 1},   {1000, 0.999, 999}};
  for (const auto& [size, weight, kept] : cases) {
    INFO(size << " x " << weight);
    const auto all = questions(*mix({{size, weight}, {20, 1.0}}, 3));
    CHECK(count_of(all, "part0 ") == kept);
    CHECK(count_of(all, "part1 ") == 20);
    CHECK(std::set<std::string>(all.begin(), all.end()).size() == kept + 20);
  }
}

TEST_CASE("the kept rows are drawn, not the first, and the parts lie mixed") {
  const auto all = questions(*mix({{1000, 0.1}, {100, 1.0}}, 3));
  REQUIRE(all.size() == 200);
  std::size_t late = 0;
  for (const std::string& text : all) late += text.starts_with("part0 ") && std::stoi(text.substr(6)) >= 500 ? 1 : 0;
  CHECK(late > 25);  // 50 expected; fewer than 26 of 100 would be 5 standard deviations off
  CHECK(late < 75);
  const std::vector<std::string> first_half(all.begin(), all.begin() + 100);
  CHECK(count_of(first_half, "part0 ") > 30);
  CHECK(count_of(first_half, "part0 ") < 70);
}

TEST_CASE("the seed decides which rows and which order") {
  CHECK(questions(*mix({{50, 0.5}, {50, 0.5}}, 1)) == questions(*mix({{50, 0.5}, {50, 0.5}}, 1)));
  CHECK(questions(*mix({{50, 0.5}, {50, 0.5}}, 1)) != questions(*mix({{50, 0.5}, {50, 0.5}}, 2)));
  // Equal parts give different rows: each part is drawn for itself.
  auto all = questions(*mix({{50, 0.5}, {50, 0.5}}, 1));
  std::set<std::string> first;
  std::set<std::string> second;
  for (const std::string& text : all) (text[4] == '0' ? first : second).insert(text.substr(6));
  CHECK(first != second);
}

TEST_CASE("rows keep where they came from") {
  const auto source = mix({{5, 1.0}, {5, 1.0}}, 9);
  for (std::size_t i = 0; i < source->size(); ++i) {
    const Row row = source->row(i);
    CHECK(row.origin == row.question.substr(0, 5) + ":" + std::to_string(std::stoi(row.question.substr(6)) + 1));
  }
  CHECK(test::message_of(ErrorKind::contract, [&] { static_cast<void>(source->row(10)); }));
}

std::unique_ptr<PromptSource> draw(std::vector<std::pair<std::size_t, double>> sizes, StoppingStrategy stopping, std::uint64_t seed) {
  std::vector<MixturePart> parts;
  for (const auto& [size, weight] : sizes) parts.push_back({std::make_unique<Rows>("part" + std::to_string(parts.size()), size), weight});
  return make_mixture(std::move(parts), {seed, MixtureSampling::proportional, stopping}).train;
}

TEST_CASE("proportional: weights are how often a dataset is drawn from, until the first one is used up") {
  const auto all = questions(*draw({{100000, 3.0}, {1000, 1.0}}, StoppingStrategy::first_exhausted, 5));
  CHECK(count_of(all, "part1 ") == 1000);
  CHECK(all.back().starts_with("part1 "));
  // Draws before the 1000th of part1: 3000 +- 110 (negative binomial, one standard deviation).
  CHECK(count_of(all, "part0 ") > 2500);
  CHECK(count_of(all, "part0 ") < 3500);
  CHECK(std::set<std::string>(all.begin(), all.end()).size() == all.size());
  CHECK(all == questions(*draw({{100000, 3.0}, {1000, 1.0}}, StoppingStrategy::first_exhausted, 5)));
  CHECK(all != questions(*draw({{100000, 3.0}, {1000, 1.0}}, StoppingStrategy::first_exhausted, 6)));
}

TEST_CASE("proportional: until all are used up, the others come again in full rounds") {
  const auto all = questions(*draw({{10, 1.0}, {500, 1.0}}, StoppingStrategy::all_exhausted, 5));
  CHECK(count_of(all, "part1 ") == 500);
  CHECK(all.back().starts_with("part1 "));
  std::map<std::string, int> times;
  std::vector<std::string> small;
  for (const std::string& text : all) {
    ++times[text];
    if (text.starts_with("part0 ")) small.push_back(text);
  }
  CHECK(small.size() > 400);
  CHECK(small.size() < 600);
  for (int i = 0; i < 10; ++i) {  // every row equally often, but for the last round
    const auto count = static_cast<std::size_t>(times["part0 " + std::to_string(i)]);
    CHECK((count == small.size() / 10 || count == small.size() / 10 + 1));
  }
  CHECK(std::vector<std::string>(small.begin(), small.begin() + 10) != std::vector<std::string>(small.begin() + 10, small.begin() + 20));
  CHECK_THAT(test::message_of(ErrorKind::recipe,
                              [] {
                                draw({{1000, 1e-9}, {5, 1.0}}, StoppingStrategy::all_exhausted, 5);
                              })
                 .value_or(""),
             Contains("dataset 1") && Contains("more than"));
  CHECK(test::message_of(ErrorKind::recipe, [] { draw({{5, 0.0}}, StoppingStrategy::first_exhausted, 5); }));
}

TEST_CASE("a held-out share: both sides together are the mixture, each row on one side") {
  const auto sides = [](double share) {
    std::vector<MixturePart> parts;
    parts.push_back({std::make_unique<Rows>("a", 40), 0.5});
    parts.push_back({std::make_unique<Rows>("b", 11), 1.0});
    return make_mixture(std::move(parts), {4, MixtureSampling::share, StoppingStrategy::first_exhausted, share});
  };
  const MixtureSides quarter = sides(0.25);
  auto train = questions(*quarter.train);
  const auto held_out = questions(*quarter.held_out);
  CHECK(held_out.size() == 8);  // ceil(31 / 4)
  CHECK(train.size() == 23);
  train.insert(train.end(), held_out.begin(), held_out.end());
  CHECK(train == questions(*sides(0.0).train));
  CHECK(sides(0.0).held_out == nullptr);
  CHECK(test::message_of(ErrorKind::recipe, [&] { sides(0.99); }));
}

TEST_CASE("a run that goes on in the middle of an epoch sees each row of a mixture once") {
  const auto open = [] {
    std::vector<MixturePart> parts;
    parts.push_back({std::make_unique<Rows>("a", 30), 2.0});
    parts.push_back({std::make_unique<Rows>("b", 30), 1.0});
    return make_mixture(std::move(parts), {8, MixtureSampling::proportional}).train;
  };
  const auto whole = open();
  const std::size_t size = whole->size() / 4 * 4;
  PromptOrder order(whole->size(), 4, 42, true);
  std::vector<std::string> expected;
  for (std::uint64_t i = 0; i < 2 * size; ++i) expected.push_back(whole->row(order.row(i)).question);
  CHECK(std::set<std::string>(expected.begin(), expected.begin() + static_cast<std::ptrdiff_t>(size)).size() == size);
  for (const std::uint64_t stop : {std::uint64_t{4}, std::uint64_t{size / 2}, std::uint64_t{size + 8}}) {
    const auto again = open();  // what a new process does
    PromptOrder resumed(again->size(), 4, 42, true);
    std::vector<std::string> rest;
    for (std::uint64_t i = stop; i < 2 * size; ++i) rest.push_back(again->row(resumed.row(i)).question);
    CHECK(rest == std::vector<std::string>(expected.begin() + static_cast<std::ptrdiff_t>(stop), expected.end()));
  }
}

/// One dataset after the other, of each the first floor(size x weight) rows of its own shuffle, then all of them shuffled.
std::vector<std::string> by_the_rule(const std::vector<std::pair<std::size_t, double>>& sizes, std::uint64_t seed) {
  std::vector<std::string> kept;
  for (std::size_t part = 0; part < sizes.size(); ++part) {
    const auto [size, weight] = sizes[part];
    const auto order = random_permutation(static_cast<std::uint32_t>(size), RandomStream(seed, "mixture.part", part + 1));
    for (std::size_t i = 0; i < static_cast<std::size_t>(static_cast<double>(size) * weight); ++i)
      kept.push_back("part" + std::to_string(part) + " " + std::to_string(order[i]));
  }
  std::vector<std::string> rows;
  for (const std::uint32_t i : random_permutation(static_cast<std::uint32_t>(kept.size()), RandomStream(seed, "mixture")))
    rows.push_back(kept[i]);
  return rows;
}

TEST_CASE("row for row what the rule says, for many sizes, weights and seeds") {
  RandomStream stream(1, "mixtures");
  for (std::uint64_t round = 0; round < 200; ++round) {
    std::vector<std::pair<std::size_t, double>> sizes;
    const std::uint32_t parts = 1 + stream.next_below(4);
    for (std::uint32_t part = 0; part < parts; ++part) {
      const std::size_t size = 20 + stream.next_below(200);
      sizes.emplace_back(size, stream.next_below(4) == 0 ? 1.0 : 0.05 + 0.95 * stream.next_u32() * 0x1p-32);
    }
    if (questions(*mix(sizes, round)) != by_the_rule(sizes, round)) FAIL("round " << round);
  }
}

TEST_CASE("weights out of range and empty parts are refused") {
  for (const double weight : {0.0, -0.5, 1.0001, std::numeric_limits<double>::quiet_NaN(), 1e300}) {
    const auto message = test::message_of(ErrorKind::recipe, [&] { mix({{10, 1.0}, {10, weight}}, 0); });
    CHECK_THAT(message.value_or(""), Contains("weight") && Contains("dataset 2"));
  }
  CHECK_THAT(test::message_of(ErrorKind::recipe, [] { mix({{3, 0.3}}, 0); }).value_or(""), Contains("keeps none of the 3 rows"));
  CHECK_THAT(test::message_of(ErrorKind::recipe, [] { mix({{0, 1.0}}, 0); }).value_or(""), Contains("keeps none of the 0 rows"));
  CHECK(test::message_of(ErrorKind::recipe, [] { make_mixture({}, {0}); }));
  CHECK(test::message_of(ErrorKind::contract, [] {
    std::vector<MixturePart> parts(1);
    make_mixture(std::move(parts), {0});
  }));
}

}  // namespace
}  // namespace grpo
