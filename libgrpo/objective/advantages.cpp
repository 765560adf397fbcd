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

}  // namespace

std::vector<double> total_rewards(const RewardTable& table) {
  if (table.columns.empty()) return {};
  std::vector<double> totals(table.columns.front().rewards.size(), kNaN);
  for (const RewardColumn& column : table.columns) {
    GRPO_CHECK_EQ(column.rewards.size(), totals.size(), "every reward function judges every completion");
    for (std::size_t i = 0; i < totals.size(); ++i) {
      if (!column.rewards[i].has_value()) continue;
      totals[i] = (std::isnan(totals[i]) ? 0.0 : totals[i]) + column.weight * column.rewards[i].value();
    }
  }
  return totals;
}

Advantages group_advantages(const std::vector<double>& rewards, const std::vector<std::int64_t>& group_of, ScaleRewards scale) {
  GRPO_CHECK_EQ(rewards.size(), group_of.size(), "one reward per completion");
  const std::size_t groups = group_of.empty() ? 0 : static_cast<std::size_t>(group_of.back()) + 1;
  std::vector<std::vector<double>> by_group(groups);
  std::vector<double> all;
  for (std::size_t i = 0; i < rewards.size(); ++i) {
    if (std::isnan(rewards[i])) continue;
    by_group[static_cast<std::size_t>(group_of[i])].push_back(rewards[i]);
    all.push_back(rewards[i]);
  }
  Advantages result;
  result.batch_std = moments(all).std;
  for (const auto& group : by_group) {
    const Moments m = moments(group);
    result.group_mean.push_back(m.mean);
    result.group_std.push_back(m.std);
  }
  for (std::size_t i = 0; i < rewards.size(); ++i) {
    const auto group = static_cast<std::size_t>(group_of[i]);
    double advantage = std::isnan(rewards[i]) ? 0.0 : rewards[i] - result.group_mean[group];
    if (scale == ScaleRewards::group) advantage /= result.group_std[group] + kStdFloor;
    if (scale == ScaleRewards::batch) advantage /= result.batch_std + kStdFloor;
    result.values.push_back(advantage);
  }
  return result;
}

}  // namespace grpo
