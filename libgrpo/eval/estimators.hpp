/// What k of the n completions of a question would have done, on average over all ways to choose the k. Exact, nothing is drawn.
///
/// pass@k: one of them is right (Chen et al. 2021, "Evaluating large language models trained on code", equation 1).
/// maj@k: the answer that most of them give is right (Wang et al. 2023, "Self-consistency", section 2). Answers that tie for most share
/// the verdict; completions without an answer do not vote, and where none votes the verdict is wrong.
/// distinct@k: how many different right answers are among them.
#pragma once

#include <cstdint>
#include <vector>

namespace grpo {

/// Completions that give the same answer.
struct Votes {
  std::int64_t count = 0;
  double right = 0.0;  ///< share of them that the verifier finds right; 0 or 1 unless it looks at more than the answer
};

/// 1 - C(n-c, k) / C(n, k), from c right ones among n. throws: Error{contract} unless 1 <= k <= n and 0 <= c <= n
double pass_at_k(std::int64_t n, std::int64_t c, std::int64_t k);

/// `silent`: completions without an answer; n is their number and all counts together. throws: Error{contract} unless
/// 1 <= k <= n <= 10000. cost: linear for k = 1 and k = n, else about answers x k^2 for each count that the most frequent one can have
double majority_at_k(const std::vector<Votes>& answers, std::int64_t silent, std::int64_t k);

/// The sum over right answers of 1 - C(n-c, k) / C(n, k). `counts`: completions of each. throws: as pass_at_k
double distinct_at_k(std::int64_t n, const std::vector<std::int64_t>& counts, std::int64_t k);

}  // namespace grpo
