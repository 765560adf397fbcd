/// How far a mean over questions may be off: percentile bootstrap (Efron and Tibshirani 1993, "An introduction to the bootstrap",
/// chapter 13). Questions are drawn again with replacement, so the interval speaks of other questions of the same kind; that completions
/// of a question vary is part of it. It is a little too narrow for few questions (94 % in place of 95 % at 50), and of no width where all
/// values are equal.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace grpo {

struct Bootstrap {
  std::uint64_t seed = 42;
  std::size_t resamples = 2000;
  double confidence = 0.95;
  bool operator==(const Bootstrap&) const = default;
};

/// A mean with its interval.
struct Estimate {
  double mean = 0.0, low = 0.0, high = 0.0;
  std::size_t questions = 0;  ///< the mean is over
};

/// The same values and rule give the same interval. throws: Error{contract} if there is no value. cost: resamples x values, ~10 ns each
Estimate bootstrap_mean(const std::vector<double>& values, const Bootstrap& rule);

}  // namespace grpo
