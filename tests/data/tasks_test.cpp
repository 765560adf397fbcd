// The tasks that are made, not read: their questions can be answered, and their two sides share none.
#include "libgrpo/data/countdown.hpp"
#include "libgrpo/data/prompt_source.hpp"

#include "tests/data/byte_tokenizer.hpp"
#include "tests/format/scratch_file.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdio>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>

namespace grpo {
namespace {

using nlohmann::json;
using Make = std::function<std::unique_ptr<PromptSource>(TaskSplit, std::uint64_t)>;

std::size_t keys(const std::vector<std::int64_t>& numbers, std::int64_t target) {
  const auto all = detail::countdown_keys(numbers);
  const auto found = all.find(target);
  return found == all.end() ? 0 : found->second.size();
}

TEST_CASE("every task: sizes, disjoint sides, one order for one seed, columns") {
  const std::tuple<const char*, Make, std::size_t, std::size_t> tasks[] = {
      {"countdown", [](TaskSplit split, std::uint64_t seed) { return make_countdown(split, 3, seed); }, 384, 128},
      {"graph_colouring", make_graph_colouring, 192, 96},
      {"many_answers", make_many_answers, 96, 32}};
  for (const auto& [name, make, train_size, held_out_size] : tasks) {
    INFO(name);
    const auto train = make(TaskSplit::train, 1);
    const auto held_out = make(TaskSplit::held_out, 1);
    CHECK(train->size() == train_size);
    CHECK(held_out->size() == held_out_size);
    auto all = test::questions(*train);
    const auto other = test::questions(*held_out);
    CHECK(all == test::questions(*make(TaskSplit::train, 1)));
    CHECK(all != test::questions(*make(TaskSplit::train, 2)));
    all.insert(all.end(), other.begin(), other.end());
    CHECK(std::set<std::string>(all.begin(), all.end()).size() == train_size + held_out_size);
    CHECK(train->row(0).origin.starts_with(std::string(name) + ":"));
    CHECK(train->row(0).columns.at("answer") == train->row(0).solution);
    CHECK(test::message_of(ErrorKind::contract, [&, &size = train_size] { static_cast<void>(train->row(size)); }));
  }
}

TEST_CASE("countdown keys merge order and brackets of sums and products, and nothing else") {
  CHECK(keys({2, 3, 4}, 9) == 1);   // 2 + 3 + 4 in all its orders
  CHECK(keys({2, 3, 4}, 24) == 1);  // 2 * 3 * 4
  CHECK(keys({2, 3, 4}, 10) == 2);  // 2 * 3 + 4, 3 * 4 - 2
  CHECK(keys({2, 3, 4}, 6) == 2);   // 3 * 4 / 2 and its like; (4 - 2) * 3
  CHECK(keys({2, 3, 4}, 1) == 2);   // 2 + 3 - 4, 3 - 4 / 2
  CHECK(keys({5}, 5) == 1);
  CHECK(keys({2, 3}, 100) == 0);
}

// By another way than the generator's: any two of the numbers become one, in doubles.
TEST_CASE("countdown: each target is reached by someone who knows only the rules") {
  const auto reachable = [](const std::vector<std::int64_t>& start) {
    std::set<std::int64_t> found;
    const std::function<void(std::vector<double>)> go = [&](std::vector<double> left) {
      if (left.size() == 1) {
        const double value = left[0];
        if (value > 0.5 && std::abs(value - std::round(value)) < 1e-9) found.insert(std::llround(value));
        return;
      }
      for (std::size_t i = 0; i < left.size(); ++i)
        for (std::size_t j = 0; j < left.size(); ++j) {
          if (i == j) continue;
          std::vector<double> rest;
          for (std::size_t k = 0; k < left.size(); ++k)
            if (k != i && k != j) rest.push_back(left[k]);
          for (const double value : {left[i] + left[j], left[i] - left[j], left[i] * left[j], left[j] == 0 ? 1e300 : left[i] / left[j]}) {
            if (std::abs(value) > 1e200) continue;
            rest.push_back(value);
            go(rest);
            rest.pop_back();
          }
        }
    };
    go({start.begin(), start.end()});
    return found;
  };
  for (const auto& numbers : {std::vector<std::int64_t>{2, 3, 4}, {7, 11, 12}, {2, 5, 8, 9}}) {
    std::set<std::int64_t> targets;
    for (const auto& [target, ways] : detail::countdown_keys(numbers)) targets.insert(target);
    CHECK(targets == reachable(numbers));
  }
}

TEST_CASE("countdown: what the columns and the solution say") {
  for (const int count : {3, 4}) {
    const auto source = make_countdown(TaskSplit::held_out, count, 0);
    CHECK(source->size() == (count == 3 ? 128 : 256));
    for (std::size_t i = 0; i < source->size(); i += count == 3 ? 1 : 16) {
      const Row row = source->row(i);
      const auto nums = json::parse(row.columns.at("nums")).get<std::vector<std::int64_t>>();
      const auto target = std::stoll(row.columns.at("target"));
      INFO(row.origin);
      CHECK(nums.size() == static_cast<std::size_t>(count));
      CHECK(std::is_sorted(nums.begin(), nums.end()));
      CHECK(keys(nums, target) == std::stoull(row.columns.at("solutions")));
      CHECK(std::stoull(row.columns.at("solutions")) >= (count == 3 ? 1 : 2));
      CHECK(std::find(nums.begin(), nums.end(), target) == nums.end());
      CHECK(json::parse(row.solution) == json{{"numbers", nums}, {"target", target}});
    }
  }
  CHECK(test::message_of(ErrorKind::recipe, [] { make_countdown(TaskSplit::train, 5, 0); }));
}

TEST_CASE("graph colouring: as many ways as it says, and between 4 and 24") {
  const auto source = make_graph_colouring(TaskSplit::train, 0);
  std::set<std::size_t> sizes;
  for (std::size_t i = 0; i < source->size(); ++i) {
    const Row row = source->row(i);
    INFO(row.solution);
    const json task = json::parse(row.solution);
    const std::string partial = task.at("partial");
    REQUIRE(std::count(partial.begin(), partial.end(), '?') == 3);
    CHECK(task.at("edges") == json::parse(row.columns.at("edges")));
    CHECK(std::to_string(partial.size()) == row.columns.at("vertices"));
    std::size_t ways = 0;
    for (int fill = 0; fill < 27; ++fill) {
      std::string full = partial;
      for (int rest = fill; char& c : full)
        if (c == '?') c = static_cast<char>('1' + rest % 3), rest /= 3;
      bool proper = true;
      for (const auto& edge : task.at("edges")) {
        REQUIRE(edge[0].get<std::size_t>() < edge[1].get<std::size_t>());
        proper = proper && full.at(edge[0]) != full.at(edge[1]);
      }
      ways += proper ? 1 : 0;
    }
    CHECK(std::to_string(ways) == row.columns.at("solutions"));
    CHECK(ways >= 4);
    CHECK(ways <= 24);
    sizes.insert(partial.size());
  }
  CHECK(sizes == std::set<std::size_t>{4, 5, 6});
}

TEST_CASE("many answers: the pattern finds the right ones at the end, and no others") {
  const auto source = make_many_answers(TaskSplit::held_out, 0);
  for (std::size_t i = 0; i < source->size(); ++i) {
    const Row row = source->row(i);
    int most = 0, rest = 0, divisor = 0;
    REQUIRE(std::sscanf(row.question.c_str(), "Name one whole number from 1 to %d that leaves %d when divided by %d.", &most, &rest,
                        &divisor) == 3);
    std::vector<int> right;
    for (int n = 1; n <= most; ++n)
      if (n % divisor == rest) right.push_back(n);
    CHECK(json::parse(row.columns.at("answers")).get<std::vector<int>>() == right);
    CHECK(row.columns.at("solutions") == std::to_string(right.size()));
    CHECK(right.size() >= 2);
  }
}

}  // namespace
}  // namespace grpo
