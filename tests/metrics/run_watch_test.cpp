#include "libgrpo/metrics/run_watch.hpp"

#include <catch2/catch.hpp>

using namespace grpo;

namespace {

const std::vector<AuditColumn> kColumns = {{"answer_accuracy", 1.0, RewardKind::correctness}, {"format", 0.5, RewardKind::format}};

AuditGroup group_of(std::int64_t step, const std::vector<std::string>& texts, double right = 0.0) {
  AuditGroup group{step, 0, "rows:1", "q", "q", "a", {}};
  for (const std::string& text : texts) {
    AuditCompletion completion;
    completion.text = text;
    completion.rewards = {{right, false, ""}, {1.0, false, ""}};
    completion.total = right + 0.5;
    group.completions.push_back(completion);
  }
  return group;
}

std::vector<std::string> ids(const std::vector<Alarm>& alarms) {
  std::vector<std::string> names;
  for (const Alarm& alarm : alarms) names.push_back(alarm.id);
  return names;
}

using Ids = std::vector<std::string>;

}  // namespace

TEST_CASE("names tell which rewards judge answers", "[metrics]") {
  for (const char* name : {"answer_accuracy", "pure_accuracy_math", "math_verify", "countdown", "boxed_accuracy"})
    CHECK(reward_kind(name) == RewardKind::correctness);
  for (const char* name : {"format", "tag_count", "soft_overlong_punishment", "repetition_penalty", "think_answer_format"})
    CHECK(reward_kind(name) == RewardKind::format);
  CHECK(reward_kind("mine") == RewardKind::other);
}

TEST_CASE("repeated phrases are seen, ordinary text is not", "[metrics]") {
  std::string loop, text;
  for (int i = 0; i < 20; ++i) loop += "I think so too ";
  for (int i = 0; i < 60; ++i) text += "word" + std::to_string(i) + " and ";
  CHECK(repeats_itself(loop));
  CHECK(repeats_itself(std::string(64, '!')));
  CHECK_FALSE(repeats_itself(text));
  CHECK_FALSE(repeats_itself("so so so so so"));  // short answers may
  CHECK_FALSE(repeats_itself(""));
}

TEST_CASE("an alarm is told once and counted after that", "[metrics]") {
  RunWatch watch(kColumns, 64);
  const RunWatch::Metrics flat = {{"frac_reward_zero_std", 1.0}, {"reward", 0.5}};
  CHECK(watch.step(1, flat, {group_of(1, {"a"})}).empty());
  CHECK(watch.step(2, flat, {group_of(2, {"a"})}).empty());
  const auto fresh = watch.step(3, flat, {group_of(3, {"a"})});
  REQUIRE(ids(fresh) == Ids{"no_signal"});
  CHECK(fresh[0].examples == std::vector<std::string>{"3/0/0"});
  CHECK(watch.step(4, flat, {group_of(4, {"a"})}).empty());
  REQUIRE(watch.alarms().size() == 1);
  CHECK((watch.alarms()[0].first == 3 && watch.alarms()[0].last == 4 && watch.alarms()[0].count == 2));
  CHECK(watch.step(5, {{"frac_reward_zero_std", 0.9}}, {}).empty());
  CHECK(watch.alarms()[0].count == 2);
}

TEST_CASE("clipped ratios, a run-away KL and completions at the cap", "[metrics]") {
  RunWatch watch(kColumns, 64);
  CHECK(ids(watch.step(1, {{"clip_ratio/region_mean", 0.81}}, {})) == Ids{"ratio_clipping"});
  AuditGroup cut = group_of(2, {"a", "b"});
  cut.completions[1].truncated = true;
  const auto fresh = watch.step(2, {{"completions/clipped_ratio", 0.8}, {"kl", 1.5}}, {cut});
  REQUIRE(ids(fresh) == Ids{"length_cap"});
  CHECK(fresh[0].examples == std::vector<std::string>{"2/0/1"});
  CHECK(fresh[0].message.find("max_completion_length = 64") != std::string::npos);
  CHECK(watch.step(3, {{"kl", 1.5}}, {}).empty());
  CHECK(ids(watch.step(4, {{"kl", 1.5}}, {})) == Ids{"kl_runaway"});
  RunWatch slow(kColumns, 64);
  Ids all;
  for (int step = 1; step <= 10; ++step)
    for (const std::string& id : ids(slow.step(step, {{"kl", step <= 5 ? 0.05 : 0.3}}, {}))) all.push_back(id);
  CHECK(all == Ids{"kl_runaway"});
  RunWatch steady(kColumns, 64);
  for (int step = 1; step <= 20; ++step) CHECK(steady.step(step, {{"kl", 0.3}}, {}).empty());
}

TEST_CASE("reward that rises without the answers getting better", "[metrics]") {
  const auto run = [](double format_gain, double accuracy_gain, double accuracy) {
    RunWatch watch(kColumns, 64);
    std::vector<Alarm> fired;
    for (int step = 1; step <= 20; ++step) {
      const double late = step > 10 ? 1.0 : 0.0, format = 0.2 + format_gain * late, right = accuracy + accuracy_gain * late;
      const RunWatch::Metrics metrics = {
          {"rewards/format/mean", format}, {"rewards/answer_accuracy/mean", right}, {"reward", right + 0.5 * format}};
      AuditGroup wrong = group_of(step, {"x", "y"});
      wrong.completions[1].total = 0.9;
      for (const Alarm& alarm : watch.step(step, metrics, {wrong})) fired.push_back(alarm);
    }
    return fired;
  };
  const auto hacked = run(0.4, 0.0, 0.1);
  REQUIRE(ids(hacked) == Ids{"reward_without_correctness", "format_only_gain"});
  CHECK(hacked[1].message.find("format rose from 0.200 to 0.600") != std::string::npos);
  CHECK(hacked[0].examples == std::vector<std::string>{"20/0/1", "20/0/0"});  // the best rewarded first
  CHECK(ids(run(0.06, 0.0, 0.1)) == Ids{"format_only_gain"});
  CHECK(run(0.4, 0.2, 0.1).empty());
  CHECK(run(0.4, 0.0, 0.95).empty());  // solved already
  CHECK(run(0.0, 0.0, 0.1).empty());
}

TEST_CASE("many completions that repeat themselves", "[metrics]") {
  const std::string loop(100, 'a');
  RunWatch watch(kColumns, 64);
  CHECK(watch.step(1, {}, {group_of(1, {loop, "b", "c", "d", "e", "f", "g", "h"})}).empty());
  const auto fresh = watch.step(2, {}, {group_of(2, {"b", loop, "c", loop})});
  REQUIRE(ids(fresh) == Ids{"repeated_phrases"});
  CHECK(fresh[0].examples == std::vector<std::string>{"2/0/1", "2/0/3"});
}

TEST_CASE("reward up while held-out accuracy is not", "[metrics]") {
  const auto run = [](double eval_gain) {
    RunWatch watch(kColumns, 64);
    Ids all;
    for (int part = 0; part < 3; ++part) {
      for (int step = 1; step <= 5; ++step) watch.step(5 * part + step, {{"reward", 0.2 + 0.1 * part}}, {});
      for (const std::string& id : ids(watch.evaluation(5 * part + 5, {{"eval_rewards/answer_accuracy/mean", 0.3 + eval_gain * part}})))
        all.push_back(id);
    }
    return all;
  };
  CHECK(run(0.0) == Ids{"held_out_flat"});
  CHECK(run(0.05).empty());
}
