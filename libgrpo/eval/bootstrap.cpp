#include "libgrpo/eval/bootstrap.hpp"

#include "libgrpo/base/check.hpp"
#include "libgrpo/base/random.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

namespace grpo {
namespace {

/// Between the two sorted values that `share` falls between.
double quantile(const std::vector<double>& sorted, double share) {
  const double at = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const auto above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

}  // namespace

Estimate bootstrap_mean(const std::vector<double>& values, const Bootstrap& rule) {
  GRPO_CHECK(!values.empty() && values.size() < std::numeric_limits<std::uint32_t>::max(), "a mean is over at least one value");
  GRPO_CHECK(rule.resamples > 0 && rule.confidence > 0.0 && rule.confidence < 1.0,
             "an interval needs resamples and a confidence between 0 and 1");
  const auto count = static_cast<double>(values.size());
  Estimate estimate;
  estimate.questions = values.size();
  estimate.mean = std::accumulate(values.begin(), values.end(), 0.0) / count;
  RandomStream stream(rule.seed, "bootstrap");
  std::vector<double> means(rule.resamples);
  for (double& mean : means) {
    double sum = 0.0;
    for (std::size_t i = 0; i < values.size(); ++i) sum += values[stream.next_below(static_cast<std::uint32_t>(values.size()))];
    mean = sum / count;
  }
  std::sort(means.begin(), means.end());
  estimate.low = quantile(means, (1.0 - rule.confidence) / 2.0);
  estimate.high = quantile(means, (1.0 + rule.confidence) / 2.0);
  return estimate;
}

}  // namespace grpo
