#include "libgrpo/reward/scoring.hpp"

#include "libgrpo/base/clock.hpp"
#include "libgrpo/base/error.hpp"
#include "tests/reward/scratch_programs.hpp"

#include <atomic>
#include <mutex>
#include <set>
#include <stdexcept>

namespace grpo {
namespace {

using Catch::Matchers::Contains;
using testing::group_with;

RewardSet length_reward(double seconds, std::atomic<int>* calls = nullptr) {
  RewardSet rewards;
  rewards.add(make_reward("length", [seconds, calls](const Prompt&, const Completion& completion) {
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
    if (calls != nullptr) ++*calls;
    return Reward::of(static_cast<double>(completion.text.size()));
  }));
  return rewards;
}

TEST_CASE("groups that come in any order give the table that score() gives") {
  std::vector<Group> groups;
  for (std::size_t g = 0; g < 9; ++g) groups.push_back(group_with({std::string(g, 'x'), std::string(2 * g, 'x') + "<answer>7</answer>"}));
  RewardSet rewards({"answer_accuracy", "format"}, {1.0, 0.5});
  rewards.add(make_reward("length", [](const Prompt&, const Completion& completion) {
    std::this_thread::sleep_for(std::chrono::milliseconds(completion.text.size() % 7));
    return Reward::of(static_cast<double>(completion.text.size()));
  }));
  const RewardTable expected = rewards.score(groups);
  for (const std::size_t step : {1U, 2U, 4U, 5U, 7U}) {
    Scoring scoring(rewards, groups.size());
    for (std::size_t k = 0, g = 0; k < 6; ++k, g = (g + step) % 9)
      scoring.add(g, std::make_shared<const Group>(groups[g]));  // the others at the end
    const RewardTable table = scoring.finish(groups);
    REQUIRE(table.columns.size() == 3);
    for (std::size_t c = 0; c < 3; ++c)
      for (std::size_t i = 0; i < 18; ++i) CHECK(table.columns[c].rewards.at(i).value() == expected.columns[c].rewards.at(i).value());
    for (std::size_t i = 0; i < 18; ++i)
      CHECK(table.columns[2].rewards[i].value() == static_cast<double>(groups[i / 2].completions[i % 2].text.size()));
    CHECK(table.modes == expected.modes);
  }
}

TEST_CASE("a group is judged while others are still to come, and side by side") {
  std::atomic<int> calls = 0;
  const RewardSet rewards = length_reward(0.05, &calls);
  const std::vector<Group> groups(4, group_with({"a", "ab"}));
  Scoring scoring(rewards, groups.size());
  for (std::size_t g = 0; g < 3; ++g) scoring.add(g, std::make_shared<const Group>(groups[g]));
  std::this_thread::sleep_for(std::chrono::milliseconds(400));
  CHECK(calls == 6);
  const Stopwatch rest;
  const RewardTable table = scoring.finish(groups);
  CHECK(rest.seconds() < 0.35);
  CHECK(table.columns[0].rewards.at(7).value() == 2.0);
  CHECK(table.columns[0].seconds > 0.39);  // eight times 0.05
  const Stopwatch whole;
  static_cast<void>(rewards.score(groups));
  CHECK(whole.seconds() < 0.35);  // four threads
}

TEST_CASE("a batch that breaks off ends its verdicts") {
  std::atomic<int> calls = 0;
  const RewardSet rewards = length_reward(0.02, &calls);
  {
    Scoring scoring(rewards, 100);
    for (std::size_t g = 0; g < 100; ++g) scoring.add(g, std::make_shared<const Group>(group_with({"a", "b"})));
  }
  CHECK(calls < 20);
  Scoring empty(rewards, 0);
  CHECK(empty.finish({}).columns.at(0).rewards.empty());
  Scoring two(rewards, 2);
  CHECK_THROWS_AS(two.finish({group_with({"a"})}), Error);
}

TEST_CASE("what failed is asked for again: alone where completions are judged alone, else with its group") {
  std::map<std::string, int> asked;
  std::mutex mutex;
  const auto flaky = [&](const Prompt&, const Completion& completion) {
    const std::lock_guard lock(mutex);
    if (++asked[completion.text] < 3 && completion.text == "flaky") throw std::runtime_error("not yet");
    return Reward::of(static_cast<double>(asked[completion.text]));
  };
  const auto score = [&](std::int64_t retries) {
    asked.clear();
    RewardSettings settings;
    settings.retries = retries;
    RewardSet rewards({"format"}, {}, settings);
    rewards.add(make_reward("mine", flaky));
    return rewards.score({group_with({"good", "flaky"})}).columns.at(1).rewards;
  };
  CHECK(score(1)[1].is_failed());
  const auto saved = score(2);
  CHECK(saved[1].value() == 3.0);
  CHECK(saved[0].value() == 1.0);  // asked once

  struct Whole final : RewardFn {
    mutable std::atomic<int> calls = 0;
    [[nodiscard]] std::string_view name() const override { return "whole"; }
    [[nodiscard]] std::vector<Reward> score(const Group& group) const override {
      const int call = ++calls;
      std::vector<Reward> rewards(group.completions.size(), Reward::of(call));
      if (call == 1) rewards[1] = Reward::failed("not yet");
      return rewards;
    }
  };
  RewardSet rewards;
  rewards.add(std::make_unique<Whole>());
  const auto r = rewards.score({group_with({"a", "b", "c"})}).columns[0].rewards;
  CHECK(r[0].value() == 1.0);
  CHECK(r[1].value() == 2.0);
  CHECK(r[2].value() == 1.0);
}

TEST_CASE("a verifier that is down costs a batch ten limits, not one for each completion") {
  const testing::Programs programs;
  const RewardSet rewards({"mine"}, {}, testing::program_settings(programs.python("mine.py", "    time.sleep(100)\n"), 0.05, 1, 2));
  const std::vector<Group> groups(20, group_with({"a", "b", "c", "d"}));
  const Stopwatch clock;
  const auto r = rewards.score(groups).columns.at(0).rewards;
  CHECK(clock.seconds() < 8.0);  // 80 completions twice at 0.2 s would be 16 with two processes
  CHECK_THAT(r.front().why(), Contains("no answer within") || Contains("not tried"));
  CHECK_THAT(r.back().why(), Contains("not tried: ") && Contains("the latest: no answer within"));
  CHECK(std::all_of(r.begin(), r.end(), [](const Reward& reward) { return reward.is_failed(); }));
}

}  // namespace
}  // namespace grpo
