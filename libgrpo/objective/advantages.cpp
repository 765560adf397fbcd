#include "libgrpo/objective/advantages.hpp"

#include "libgrpo/base/check.hpp"

#include <Eigen/Core>
#include <cmath>
#include <limits>

namespace grpo {
namespace {

constexpr double kStdFloor = 1e-4;
const double kNaN = std::numeric_limits<double>::quiet_NaN();

struct Moments {
  double mean = kNaN, std = 0.0;
};

Moments moments(const std::vector<double>& values) {
  if (values.empty()) return {};
  const Eigen::Map<const Eigen::ArrayXd> x(values.data(), static_cast<Eigen::Index>(values.size()));
  if ((x == x[0]).all()) return {x[0], 0.0};  // exact: a rounded mean would leave advantages of 1e-17 / 1e-4
  const double mean = x.mean();
  return {mean, std::sqrt((x - mean).square().sum() / static_cast<double>(x.size() - 1))};
}

Moments valid_moments(const std::vector<double>& values) {
  std::vector<double> valid;
  for (const double v : values)
    if (!std::isnan(v)) valid.push_back(v);
  return moments(valid);
}

/// Values that are there, by group.
std::vector<std::vector<double>> by_group(const std::vector<double>& values, const std::vector<std::int64_t>& group_of) {
  GRPO_CHECK_EQ(values.size(), group_of.size(), "one reward per completion");
  std::vector<std::vector<double>> groups(group_of.empty() ? 0 : static_cast<std::size_t>(group_of.back()) + 1);
  for (std::size_t i = 0; i < values.size(); ++i)
    if (!std::isnan(values[i])) groups[static_cast<std::size_t>(group_of[i])].push_back(values[i]);
  return groups;
}

/// Sets the group statistics and gives each group's size.
std::vector<double> describe_groups(Advantages& result, const std::vector<double>& rewards, const std::vector<std::int64_t>& group_of) {
  std::vector<double> sizes;
  for (const auto& group : by_group(rewards, group_of)) {
    const Moments m = moments(group);
    result.group_mean.push_back(m.mean);
    result.group_std.push_back(m.std);
    sizes.push_back(static_cast<double>(group.size()));
  }
  result.batch_std = valid_moments(rewards).std;
  return sizes;
}

/// (v - mean) / (std + floor) over all values that are there.
std::vector<double> standardised(const std::vector<double>& values) {
  const Moments m = valid_moments(values);
  std::vector<double> out;
  for (const double v : values) out.push_back((v - m.mean) / (m.std + kStdFloor));
  return out;
}

}  // namespace

std::vector<bool> failed_completions(const RewardTable& table) {
  if (table.columns.empty()) return {};
  std::vector<bool> failed(table.columns.front().rewards.size(), false);
  for (const RewardColumn& column : table.columns) {
    GRPO_CHECK_EQ(column.rewards.size(), failed.size(), "every reward function judges every completion");
    for (std::size_t i = 0; i < failed.size(); ++i)
      if (column.rewards[i].is_failed() && column.weight != 0.0) failed[i] = true;
  }
  return failed;
}

std::vector<double> total_rewards(const RewardTable& table) {
  const std::vector<bool> failed = failed_completions(table);
  std::vector<double> totals(failed.size(), kNaN);
  for (const RewardColumn& column : table.columns) {
    for (std::size_t i = 0; i < totals.size(); ++i) {
      if (!column.rewards[i].has_value() || failed[i]) continue;
      totals[i] = (std::isnan(totals[i]) ? 0.0 : totals[i]) + column.weight * column.rewards[i].value();
    }
  }
  return totals;
}

Advantages estimate_advantages(const std::vector<double>& rewards, const std::vector<std::int64_t>& group_of,
                               const ObjectiveOptions& options) {
  Advantages result;
  const auto sizes = describe_groups(result, rewards, group_of);
  std::vector<double> centred;
  for (std::size_t i = 0; i < rewards.size(); ++i) centred.push_back(rewards[i] - result.group_mean[static_cast<std::size_t>(group_of[i])]);
  const auto scaled = [&](std::size_t i) {
    const auto group = static_cast<std::size_t>(group_of[i]);
    if (options.advantage_estimator == AdvantageEstimator::rloo)
      return sizes[group] > 1.0 ? centred[i] * sizes[group] / (sizes[group] - 1.0) : 0.0;
    if (options.scale_rewards == ScaleRewards::group) return centred[i] / (result.group_std[group] + kStdFloor);
    if (options.scale_rewards == ScaleRewards::batch) return centred[i] / (result.batch_std + kStdFloor);
    return centred[i];
  };
  switch (options.advantage_estimator) {
    case AdvantageEstimator::reinforce_plus_plus: result.values = standardised(rewards); break;
    case AdvantageEstimator::reinforce_plus_plus_baseline: result.values = standardised(centred); break;
    case AdvantageEstimator::grpo:
    case AdvantageEstimator::rloo:
      for (std::size_t i = 0; i < rewards.size(); ++i) result.values.push_back(scaled(i));
  }
  for (std::size_t i = 0; i < rewards.size(); ++i)
    if (std::isnan(rewards[i])) result.values[i] = 0.0;
  return result;
}

Advantages normalize_then_sum(const RewardTable& table, const std::vector<std::int64_t>& group_of) {
  Advantages result;
  describe_groups(result, total_rewards(table), group_of);
  const std::vector<bool> failed = failed_completions(table);
  std::vector<double> sums(group_of.size(), kNaN);
  for (const RewardColumn& column : table.columns) {
    std::vector<double> values;
    for (std::size_t i = 0; i < failed.size(); ++i)
      values.push_back(column.rewards[i].has_value() && !failed[i] ? column.rewards[i].value() : kNaN);
    std::vector<Moments> groups;
    for (const auto& group : by_group(values, group_of)) groups.push_back(moments(group));
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (std::isnan(values[i])) continue;
      const Moments& m = groups[static_cast<std::size_t>(group_of[i])];
      sums[i] = (std::isnan(sums[i]) ? 0.0 : sums[i]) + column.weight * (values[i] - m.mean) / (m.std + kStdFloor);
    }
  }
  result.values = standardised(sums);
  for (double& value : result.values)
    if (std::isnan(value)) value = 0.0;
  return result;
}

}  // namespace grpo
