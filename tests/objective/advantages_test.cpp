#include "libgrpo/objective/advantages.hpp"

#include <catch2/catch.hpp>
#include <cmath>

using namespace grpo;

namespace {

const double kNaN = std::nan("");

RewardTable table(const std::vector<double>& a, const std::vector<double>& b, double wa, double wb) {
  RewardTable t;
  const auto column = [](const std::string& name, double weight, const std::vector<double>& values) {
    RewardColumn c{name, weight, {}, 0.0};
    for (const double v : values) c.rewards.push_back(std::isnan(v) ? Reward::not_applicable() : Reward::of(v));
    return c;
  };
  t.columns = {column("a", wa, a), column("b", wb, b)};
  return t;
}

Advantages group_advantages(const std::vector<double>& rewards, const std::vector<std::int64_t>& group_of, ScaleRewards scale) {
  ObjectiveOptions options;
  options.scale_rewards = scale;
  return estimate_advantages(rewards, group_of, options);
}

}  // namespace

TEST_CASE("total reward is the weighted sum over functions that gave a value; none at all is NaN, not 0") {
  const auto totals = total_rewards(table({1.0, kNaN, kNaN}, {0.5, 2.0, kNaN}, 1.0, 0.2));
  CHECK(totals[0] == Approx(1.1));
  CHECK(totals[1] == Approx(0.4));
  CHECK(std::isnan(totals[2]));
}

TEST_CASE("where one of several functions failed there is no reward, for a sum of the rest would be another measure") {
  RewardTable t;
  t.columns = {{"judge", 1.0, {Reward::failed("hangs"), Reward::of(1.0), Reward::not_applicable()}, 0.0},
               {"format", 0.2, {Reward::of(1.0), Reward::of(1.0), Reward::of(1.0)}, 0.0}};
  auto totals = total_rewards(t);
  CHECK(std::isnan(totals[0]));
  CHECK(totals[1] == Approx(1.2));
  CHECK(totals[2] == Approx(0.2));
  CHECK(failed_completions(t) == std::vector<bool>{true, false, false});
  const auto normalised = normalize_then_sum(t, {0, 0, 0});
  CHECK(normalised.values[0] == 0.0);
  CHECK(normalised.group_mean[0] == Approx(0.7));
  t.columns[0].weight = 0.0;  // it only watches
  totals = total_rewards(t);
  CHECK(totals[0] == Approx(0.2));
}

TEST_CASE("a failed reward is left out like one that does not apply") {
  RewardTable t;
  t.columns = {{"a", 1.0, {Reward::failed("crashed"), Reward::of(1.0)}, 0.0}};
  const auto totals = total_rewards(t);
  CHECK(std::isnan(totals[0]));
  CHECK(group_advantages(totals, {0, 0}, ScaleRewards::group).values[0] == 0.0);
}

TEST_CASE("group advantages are the hand-computed ones") {
  // Group 0: 1, 0, 0, 0: mean .25, unbiased std .5. Group 1: 2, 4: mean 3, std sqrt(2).
  const std::vector<double> rewards{1, 0, 0, 0, 2, 4};
  const std::vector<std::int64_t> group_of{0, 0, 0, 0, 1, 1};
  const auto group = group_advantages(rewards, group_of, ScaleRewards::group);
  CHECK(group.values[0] == Approx(0.75 / 0.5001));
  CHECK(group.values[1] == Approx(-0.25 / 0.5001));
  CHECK(group.values[5] == Approx(1.0 / (std::sqrt(2.0) + 1e-4)));
  const auto none = group_advantages(rewards, group_of, ScaleRewards::none);
  CHECK(none.values[4] == Approx(-1.0));
  const auto batch = group_advantages(rewards, group_of, ScaleRewards::batch);
  CHECK(batch.batch_std == Approx(1.602082).epsilon(1e-6));
  CHECK(batch.values[5] == Approx(1.0 / (1.602082 + 1e-4)).epsilon(1e-6));
}

TEST_CASE("equal rewards give advantages of exactly zero, also for values that no float sum hits") {
  for (const double value : {0.1, 1.0 / 3.0, 1e-9, 12345.678}) {
    const auto a = group_advantages(std::vector<double>(7, value), std::vector<std::int64_t>(7, 0), ScaleRewards::group);
    for (const double v : a.values) CHECK(v == 0.0);
    CHECK(a.group_std[0] == 0.0);
  }
}

TEST_CASE("permuting a group permutes its advantages") {
  const std::vector<std::int64_t> one(4, 0);
  const auto a = group_advantages({0.3, 0.9, 0.1, 0.5}, one, ScaleRewards::group).values;
  const auto b = group_advantages({0.5, 0.1, 0.9, 0.3}, one, ScaleRewards::group).values;
  for (std::size_t i = 0; i < 4; ++i) CHECK(a[i] == Approx(b[3 - i]).epsilon(1e-12));
}

TEST_CASE("leave-one-out advantages compare with the group's others") {
  ObjectiveOptions o;
  o.advantage_estimator = AdvantageEstimator::rloo;
  const auto a = estimate_advantages({1, 0, 0, 3, kNaN, 5}, {0, 0, 0, 1, 1, 2}, o).values;
  CHECK(a[0] == Approx(1.0));
  CHECK(a[1] == Approx(-0.5));
  CHECK(a[3] == 0.0);  // alone in its group with a reward
  CHECK(a[4] == 0.0);
  CHECK(a[5] == 0.0);
}

TEST_CASE("REINFORCE++ standardises over the batch, its variant after the group's mean is taken away") {
  ObjectiveOptions o;
  o.advantage_estimator = AdvantageEstimator::reinforce_plus_plus;
  const std::vector<double> rewards{1, 0, 4, 3};  // mean 2, unbiased std sqrt(10/3)
  const std::vector<std::int64_t> groups{0, 0, 1, 1};
  const double std_all = std::sqrt(10.0 / 3.0);
  CHECK(estimate_advantages(rewards, groups, o).values[2] == Approx(2.0 / (std_all + 1e-4)));
  o.advantage_estimator = AdvantageEstimator::reinforce_plus_plus_baseline;  // +-0.5, std sqrt(1/3)
  CHECK(estimate_advantages(rewards, groups, o).values[1] == Approx(-0.5 / (std::sqrt(1.0 / 3.0) + 1e-4)));
}

TEST_CASE("normalize_then_sum gives each reward function the same say, whatever its scale") {
  RewardTable t = table({100, 0, 0, 0}, {0, 0, 0.01, 0.01}, 1.0, 1.0);
  const auto a = normalize_then_sum(t, {0, 0, 0, 0});
  // z of the first: 75/50.0001, -25/50.0001; of the second, std 0.005774: -+0.005/(0.005774 + 1e-4).
  const double z1 = 75.0 / 50.0001, z2 = -25.0 / 50.0001, y = 0.005 / (0.01 / std::sqrt(3.0) + 1e-4);
  const std::vector<double> sums{z1 - y, z2 - y, z2 + y, z2 + y};
  double mean = 0.0, squares = 0.0;
  for (const double s : sums) mean += s / 4;
  for (const double s : sums) squares += (s - mean) * (s - mean);
  for (std::size_t i = 0; i < 4; ++i) CHECK(a.values[i] == Approx((sums[i] - mean) / (std::sqrt(squares / 3) + 1e-4)));
  CHECK(a.group_std[0] > 0.0);
}

TEST_CASE("normalize_then_sum leaves out what a function did not judge, and a completion nobody judged gets 0") {
  RewardTable t = table({1, 0, kNaN, kNaN}, {kNaN, kNaN, 1, kNaN}, 1.0, 1.0);
  const auto a = normalize_then_sum(t, {0, 0, 0, 0});
  for (const double v : a.values) CHECK(std::isfinite(v));
  CHECK(a.values[3] == 0.0);
}
