// Every estimator against what it is defined as: the mean over all subsets of k completions.
#include "libgrpo/eval/estimators.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/base/random.hpp"

#include <algorithm>
#include <bit>
#include <catch2/catch.hpp>
#include <map>
#include <set>

namespace grpo {
namespace {

struct One {
  int answer;  // -1: none
  bool right;
};

/// The mean of `value` over all subsets of k.
template <class Value>
double over_subsets(const std::vector<One>& all, int k, Value value) {
  double sum = 0.0, count = 0.0;
  for (unsigned mask = 0; mask < (1U << all.size()); ++mask) {
    if (std::popcount(mask) != k) continue;
    std::vector<One> chosen;
    for (std::size_t i = 0; i < all.size(); ++i)
      if ((mask >> i & 1U) != 0) chosen.push_back(all[i]);
    sum += value(chosen);
    count += 1.0;
  }
  return sum / count;
}

double passes(const std::vector<One>& chosen) {
  return std::any_of(chosen.begin(), chosen.end(), [](const One& one) { return one.right; }) ? 1.0 : 0.0;
}

double majority(const std::vector<One>& chosen) {
  std::map<int, std::pair<int, int>> votes;  // answer -> given, right
  for (const One& one : chosen) {
    if (one.answer < 0) continue;
    ++votes[one.answer].first;
    votes[one.answer].second += one.right ? 1 : 0;
  }
  int most = 0;
  for (const auto& [answer, v] : votes) most = std::max(most, v.first);
  double right = 0.0, winners = 0.0;
  for (const auto& [answer, v] : votes) {
    if (v.first != most) continue;
    right += static_cast<double>(v.second) / v.first;
    winners += 1.0;
  }
  return winners == 0.0 ? 0.0 : right / winners;
}

double distinct(const std::vector<One>& chosen) {
  std::set<int> found;
  for (const One& one : chosen)
    if (one.right) found.insert(one.answer);
  return static_cast<double>(found.size());
}

struct Drawn {
  std::vector<One> all;
  std::vector<Votes> votes;
  std::vector<std::int64_t> right_counts;
  std::int64_t silent = 0, right = 0;
};

/// n completions; answers with a number below `right_below` are right, unless `mixed`: then every completion for itself.
Drawn draw(int n, int answers, int right_below, bool mixed, std::uint64_t seed) {
  RandomStream stream(seed, "answers");
  Drawn drawn;
  std::map<int, std::pair<int, int>> votes;
  for (int i = 0; i < n; ++i) {
    const int answer = static_cast<int>(stream.next_below(static_cast<std::uint32_t>(answers + 1))) - 1;
    const bool right = answer >= 0 && (mixed ? stream.next_below(2) == 1 : answer < right_below);
    drawn.all.push_back({answer, right});
    drawn.silent += answer < 0 ? 1 : 0;
    drawn.right += right ? 1 : 0;
    if (answer < 0) continue;
    ++votes[answer].first;
    votes[answer].second += right ? 1 : 0;
  }
  for (const auto& [answer, v] : votes) {
    drawn.votes.push_back({v.first, static_cast<double>(v.second) / v.first});
    if (v.second > 0) drawn.right_counts.push_back(v.second);
  }
  return drawn;
}

TEST_CASE("pass@k, maj@k and distinct@k are means over all subsets of k completions") {
  std::uint64_t seed = 0;
  int compared = 0;
  for (const int n : {1, 2, 5, 8, 12}) {
    for (const int answers : {1, 2, 3, 6}) {
      for (const bool mixed : {false, true}) {
        const Drawn drawn = draw(n, answers, 1 + static_cast<int>(seed % 2), mixed, seed + 1);
        ++seed;
        for (int k = 1; k <= n; ++k) {
          CAPTURE(n, answers, mixed, k);
          CHECK(pass_at_k(n, drawn.right, k) == Approx(over_subsets(drawn.all, k, passes)).margin(1e-12));
          CHECK(majority_at_k(drawn.votes, drawn.silent, k) == Approx(over_subsets(drawn.all, k, majority)).margin(1e-12));
          CHECK(distinct_at_k(n, drawn.right_counts, k) == Approx(over_subsets(drawn.all, k, distinct)).margin(1e-12));
          ++compared;
        }
      }
    }
  }
  CHECK(compared == 224);
}

TEST_CASE("a few values by hand") {
  CHECK(pass_at_k(4, 1, 1) == Approx(0.25));
  CHECK(pass_at_k(4, 2, 2) == Approx(1.0 - 1.0 / 6));
  CHECK(pass_at_k(8, 0, 8) == 0.0);
  CHECK(pass_at_k(8, 1, 8) == 1.0);
  CHECK(majority_at_k({{3, 1.0}, {3, 0.0}}, 2, 8) == 0.5);  // a tie
  CHECK(majority_at_k({{3, 1.0}, {4, 0.0}}, 0, 7) == 0.0);
  CHECK(majority_at_k({}, 5, 3) == 0.0);                    // nobody votes
  CHECK(majority_at_k({{6, 1.0}, {2, 0.0}}, 0, 3) > 0.75);  // the crowd is wiser than one
  CHECK(distinct_at_k(4, {1, 1, 1, 1}, 2) == Approx(2.0));
}

TEST_CASE("many completions: no overflow, and quick") {
  std::vector<Votes> votes;
  for (int i = 1; i <= 40; ++i) votes.push_back({i, i == 40 ? 1.0 : 0.0});
  const double at_16 = majority_at_k(votes, 204, 16);  // n = 1024
  CHECK(at_16 > 40.0 / 1024);
  CHECK(at_16 < 1.0);
  // All but one of 1024: a tie if it is one of the 500 that is left out.
  CHECK(majority_at_k({{500, 1.0}, {499, 0.0}}, 25, 1023) == Approx(1.0 - 0.5 * 500 / 1024));
}

TEST_CASE("what no subset can be is refused") {
  CHECK_THROWS_AS(pass_at_k(4, 1, 5), Error);
  CHECK_THROWS_AS(pass_at_k(4, 5, 1), Error);
  CHECK_THROWS_AS(majority_at_k({{2, 1.0}}, 0, 3), Error);
  CHECK_THROWS_AS(majority_at_k({{2, 1.0}}, 0, 0), Error);
  CHECK_THROWS_AS(majority_at_k({{0, 1.0}}, 2, 1), Error);
}

}  // namespace
}  // namespace grpo
