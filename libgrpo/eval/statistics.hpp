/// Answered questions -> figures with intervals.
///
/// The first reward is the verdict: a completion is right if it is at least 1. Completions whose verdict failed or does not apply count
/// neither as right nor as wrong; a question with fewer than k that count is left out of what is said of k, and one without any out of all.
///   accuracy       n = 1: the share of completions that is right
///   mean@n         the same of n > 1
///   pass@k maj@k distinct@k    as in estimators.hpp; two right answers are one if their modes are equal, an unknown mode stands alone
///   coverage@k     distinct@k as a share of the right answers that the row says there are (AnsweredQuestion::known_modes)
///   rewards/<name> the mean of each reward
///   tokens, cut    the length of completions, and the share that ended at the limit
///   failed         the share of verdicts that failed; absent if none did
#pragma once

#include "libgrpo/eval/answered.hpp"
#include "libgrpo/eval/bootstrap.hpp"

#include <string>
#include <utility>
#include <vector>

namespace grpo {

using NamedEstimates = std::vector<std::pair<std::string, Estimate>>;

/// What is asked of the completions: n names the figures (a question may have more than one completion for n = 1), each k is from 1 to n.
struct EvalShape {
  std::int64_t n = 1;
  std::vector<std::int64_t> ks;  ///< looked at where n > 1
};

NamedEstimates eval_statistics(const std::vector<AnsweredQuestion>& questions, const std::vector<std::string>& reward_names,
                               const EvalShape& shape, const Bootstrap& rule);

/// The share of right completions, mean over the questions that both answered, of `ours` less `theirs`, paired by question.
/// questions 0: there is none
Estimate eval_difference(const std::vector<AnsweredQuestion>& ours, const std::vector<AnsweredQuestion>& theirs, const Bootstrap& rule);

}  // namespace grpo
