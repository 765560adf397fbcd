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

}  // namespace

TEST_CASE("total reward is the weighted sum over functions that gave a value; none at all is NaN, not 0") {
  const auto totals = total_rewards(table({1.0, kNaN, kNaN}, {0.5, 2.0, kNaN}, 1.0, 0.2));
  CHECK(totals[0] == Approx(1.1));
  CHECK(totals[1] == Approx(0.4));
  CHECK(std::isnan(totals[2]));
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
