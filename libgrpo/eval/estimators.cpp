#include "libgrpo/eval/estimators.hpp"

#include "libgrpo/base/check.hpp"

#include <algorithm>
#include <map>

namespace grpo {
namespace {

using std::int64_t;
using Ways = std::vector<std::vector<long double>>;  // [answers that tie][completions chosen] -> in how many ways

long double choose(int64_t n, int64_t k) {
  if (k < 0 || k > n) return 0.0L;
  long double ways = 1.0L;
  for (int64_t i = 1; i <= std::min(k, n - k); ++i)
    ways = ways * static_cast<long double>(n - std::min(k, n - k) + i) / static_cast<long double>(i);
  return ways;
}

/// Adds an answer of `count` completions, of which at most `most` may be chosen; with just `most` it ties.
Ways add_answer(const Ways& before, int64_t count, int64_t most) {
  const std::size_t width = before.front().size();
  Ways after(before.size() + (count >= most ? 1 : 0), std::vector<long double>(width, 0.0L));
  for (int64_t chosen = 0; chosen <= std::min(count, most); ++chosen) {
    const long double ways = choose(count, chosen);
    const std::size_t tie = chosen == most ? 1 : 0;
    for (std::size_t t = 0; t < before.size(); ++t)
      for (std::size_t r = static_cast<std::size_t>(chosen); r < width; ++r)
        after[t + tie][r] += ways * before[t][r - static_cast<std::size_t>(chosen)];
  }
  return after;
}

/// The ways in which an answer of `winner` completions is given `most` times and no other more often, each weighed by 1 / (answers that tie).
long double ways_to_win(const std::map<int64_t, int64_t>& sizes, int64_t winner, int64_t silent, int64_t most, int64_t k) {
  Ways others(1, std::vector<long double>(static_cast<std::size_t>(k - most) + 1));
  for (std::size_t r = 0; r < others[0].size(); ++r) others[0][r] = choose(silent, static_cast<int64_t>(r));
  for (const auto& [count, answers] : sizes)
    for (int64_t i = count == winner ? 1 : 0; i < answers; ++i) others = add_answer(others, count, most);
  long double ways = 0.0L;
  for (std::size_t ties = 0; ties < others.size(); ++ties) ways += others[ties].back() / static_cast<long double>(ties + 1);
  return ways * choose(winner, most);
}

double majority_of_all(const std::vector<Votes>& answers) {
  int64_t most = 0;
  for (const Votes& answer : answers) most = std::max(most, answer.count);
  double right = 0.0, winners = 0.0;
  for (const Votes& answer : answers) {
    if (answer.count != most) continue;
    right += answer.right;
    winners += 1.0;
  }
  return most == 0 ? 0.0 : right / winners;
}

}  // namespace

double pass_at_k(int64_t n, int64_t c, int64_t k) {
  GRPO_CHECK(1 <= k && k <= n && 0 <= c && c <= n, "pass@k needs 1 <= k <= n and 0 <= c <= n");
  double miss = 1.0;
  for (int64_t i = n - c + 1; i <= n; ++i) miss *= 1.0 - static_cast<double>(k) / static_cast<double>(i);
  return n - c < k ? 1.0 : 1.0 - miss;
}

double majority_at_k(const std::vector<Votes>& answers, int64_t silent, int64_t k) {
  int64_t n = silent;
  std::map<int64_t, int64_t> sizes;  // completions of an answer -> how many answers have so many
  std::map<int64_t, double> right;   // and how many of these are right
  for (const Votes& answer : answers) {
    GRPO_CHECK(answer.count > 0, "an answer is that of a completion");
    n += answer.count;
    ++sizes[answer.count];
    right[answer.count] += answer.right;
  }
  GRPO_CHECK(silent >= 0 && 1 <= k && k <= n && n <= 10000, "maj@k needs 1 <= k <= n <= 10000");
  if (k == n) return majority_of_all(answers);
  long double score = 0.0L;
  if (k == 1) {
    for (const Votes& answer : answers) score += static_cast<long double>(answer.right) * static_cast<long double>(answer.count);
    return static_cast<double>(score / static_cast<long double>(n));
  }
  for (const auto& [count, share] : right) {
    if (share == 0.0) continue;
    for (int64_t most = 1; most <= std::min(count, k); ++most)
      score += static_cast<long double>(share) * ways_to_win(sizes, count, silent, most, k);
  }
  return static_cast<double>(score / choose(n, k));
}

double distinct_at_k(int64_t n, const std::vector<int64_t>& counts, int64_t k) {
  double sum = 0.0;
  for (const int64_t count : counts) sum += pass_at_k(n, count, k);
  return sum;
}

}  // namespace grpo
