#include "libgrpo/base/error.hpp"
#include "libgrpo/reward/reward_fn.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <cmath>
#include <limits>
#include <optional>
#include <stdexcept>
#include <thread>

namespace grpo {
namespace {

using Catch::Matchers::Contains;

template <class Action>
std::string message(ErrorKind kind, Action action) {
  try {
    action();
  } catch (const Error& error) {
    CHECK(error.kind() == kind);
    return error.what();
  }
  FAIL("nothing was thrown");
  return "";
}

Group group_of(std::vector<std::string> texts) {
  Group group;
  group.prompt.solution = "72";
  for (std::string& text : texts) {
    group.completions.emplace_back();
    group.completions.back().text = std::move(text);
  }
  return group;
}

// Gives what it is told, for whole groups.
class Scripted final : public RewardFn {
 public:
  explicit Scripted(std::function<std::vector<Reward>(const Group&)> script) : script_(std::move(script)) {}
  [[nodiscard]] std::string_view name() const override { return "scripted"; }
  [[nodiscard]] std::vector<Reward> score(const Group& group) const override { return script_(group); }

 private:
  std::function<std::vector<Reward>(const Group&)> script_;
};

RewardColumn only_column(std::unique_ptr<RewardFn> reward, const std::vector<Group>& groups) {
  RewardSet rewards;
  rewards.add(std::move(reward));
  RewardTable table = rewards.score(groups);
  REQUIRE(table.columns.size() == 1);
  return table.columns[0];
}

TEST_CASE("columns run over all groups in order, with name, weight and time") {
  RewardSet rewards({"answer_accuracy", "format"}, {1.0, 0.2});
  rewards.add(make_reward("length",
                          [](const Prompt&, const Completion& completion) {
                            std::this_thread::sleep_for(std::chrono::milliseconds(2));
                            return Reward::of(static_cast<double>(completion.text.size()));
                          }),
              -0.5);
  const RewardTable table = rewards.score({group_of({"<answer>72</answer>", "72"}), group_of({}), group_of({"<answer>7</answer>"})});
  CHECK(rewards.names() == std::vector<std::string>{"answer_accuracy", "format", "length"});
  REQUIRE(table.columns.size() == 3);
  const std::vector<std::vector<double>> expected = {{1, 0, 0}, {1, 0, 1}, {19, 2, 18}};
  for (std::size_t c = 0; c < 3; ++c) {
    CHECK(table.columns[c].name == rewards.names()[c]);
    REQUIRE(table.columns[c].rewards.size() == 3);
    for (std::size_t i = 0; i < 3; ++i) CHECK(table.columns[c].rewards[i].value() == expected[c][i]);
  }
  CHECK(table.columns[0].weight == 1.0);
  CHECK(table.columns[1].weight == 0.2);
  CHECK(table.columns[2].weight == -0.5);
  CHECK(table.columns[2].seconds >= 0.006);
  CHECK(table.columns[0].seconds >= 0.0);
}

TEST_CASE("no weights are all 1") {
  const RewardTable table = RewardSet({"format", "answer_accuracy"}, {}).score({group_of({"a"})});
  for (const RewardColumn& column : table.columns) CHECK(column.weight == 1.0);
}

TEST_CASE("an exception fails the completion it met, with its reason") {
  const auto column = only_column(make_reward("picky",
                                              [](const Prompt&, const Completion& completion) {
                                                if (completion.text == "bad") throw std::runtime_error("no such planet");
                                                if (completion.text == "odd") throw 7;  // NOLINT(hicpp-exception-baseclass)
                                                return Reward::of(1.0);
                                              }),
                                  {group_of({"good", "bad", "odd", "good"})});
  REQUIRE(column.rewards.size() == 4);
  CHECK(column.rewards[0].value() == 1.0);
  CHECK(column.rewards[1].kind() == Reward::Kind::failed);
  CHECK_THAT(column.rewards[1].why(), Contains("no such planet"));
  CHECK(column.rewards[2].kind() == Reward::Kind::failed);
  CHECK_FALSE(column.rewards[2].why().empty());
  CHECK(column.rewards[3].value() == 1.0);
}

TEST_CASE("an exception of a whole-group reward fails that group alone") {
  const auto script = [](const Group& group) -> std::vector<Reward> {
    if (group.completions.size() == 2) throw Error{ErrorKind::backend, "verifier is down"};
    return {group.completions.size(), Reward::of(1.0)};
  };
  const auto column = only_column(std::make_unique<Scripted>(script), {group_of({"a", "b"}), group_of({"c"})});
  REQUIRE(column.rewards.size() == 3);
  CHECK_THAT(column.rewards[0].why(), Contains("verifier is down"));
  CHECK_THAT(column.rewards[1].why(), Contains("verifier is down"));
  CHECK(column.rewards[2].value() == 1.0);
}

TEST_CASE("a wrong number of verdicts fails the group, both numbers said") {
  for (const std::size_t count : {0U, 1U, 3U}) {
    const auto script = [&](const Group&) { return std::vector<Reward>(count, Reward::of(1.0)); };
    const auto column = only_column(std::make_unique<Scripted>(script), {group_of({"a", "b"})});
    REQUIRE(column.rewards.size() == 2);
    for (const Reward& reward : column.rewards) {
      CHECK(reward.kind() == Reward::Kind::failed);
      CHECK_THAT(reward.why(), Contains(std::to_string(count) + " verdicts") && Contains("2 completions"));
    }
  }
}

TEST_CASE("values that are not finite fail") {
  const double inf = std::numeric_limits<double>::infinity();
  const std::pair<double, const char*> cases[] = {
      {std::numeric_limits<double>::quiet_NaN(), "returned NaN"}, {inf, "returned inf"}, {-inf, "returned -inf"}};
  for (const auto& [bad, why] : cases) {
    const auto one =
        only_column(make_reward("bad", [bad = bad](const Prompt&, const Completion&) { return Reward::of(bad); }), {group_of({"a"})});
    CHECK(one.rewards.at(0).kind() == Reward::Kind::failed);
    CHECK(one.rewards.at(0).why() == why);
    const auto script = [bad = bad](const Group&) { return std::vector<Reward>{Reward::of(bad)}; };
    CHECK(only_column(std::make_unique<Scripted>(script), {group_of({"a"})}).rewards.at(0).why() == why);
  }
}

TEST_CASE("not applicable and failed pass through") {
  const auto script = [](const Group&) { return std::vector<Reward>{Reward::not_applicable(), Reward::failed("why")}; };
  const auto column = only_column(std::make_unique<Scripted>(script), {group_of({"a", "b"})});
  CHECK(column.rewards.at(0).kind() == Reward::Kind::not_applicable);
  CHECK(column.rewards.at(1).why() == "why");
}

TEST_CASE("a long reason is cut") {
  const auto column = only_column(
      make_reward("long", [](const Prompt&, const Completion&) -> Reward { throw std::runtime_error(std::string(1000000, 'x')); }),
      {group_of({"a"})});
  CHECK(column.rewards.at(0).why().size() < 600);
}

TEST_CASE("a recipe's mistakes are named") {
  CHECK_THAT(message(ErrorKind::recipe, [] { make_reward("pure_acuracy_math"); }),
             Contains("pure_acuracy_math") && Contains("did you mean \"pure_accuracy_math\"") &&
                 Contains("known rewards: pure_accuracy_math, ") && Contains("answer_accuracy, ") && Contains(", think_answer_format"));
  CHECK_THAT(message(ErrorKind::recipe, [] { make_reward("zzzz"); }),
             !Contains("did you mean") && Contains("known rewards: answer_accuracy, boxed_accuracy, "));
  CHECK_THAT(message(ErrorKind::recipe, [] { RewardSet({"format", "format"}, {}); }), Contains("\"format\" appears twice"));
  CHECK_THAT(message(ErrorKind::recipe, [] { RewardSet({"format"}, {1.0, 2.0}); }), Contains("2 numbers for 1 reward_funcs"));
  CHECK_THAT(message(ErrorKind::recipe, [] { RewardSet({"format"}, {std::nan("")}); }), Contains("weight of \"format\""));
  RewardSet rewards({"format"}, {});
  CHECK_THAT(message(ErrorKind::recipe, [&] { rewards.add(make_reward("format")); }), Contains("appears twice"));
  CHECK(rewards.names().size() == 1);
  message(ErrorKind::contract, [&] { rewards.add(nullptr); });
  message(ErrorKind::contract, [] { make_reward("", [](const Prompt&, const Completion&) { return Reward::of(0); }); });
  message(ErrorKind::contract, [] { make_reward("x", nullptr); });
}

TEST_CASE("arguments of rewards are checked by name and range") {
  const auto why = [](const std::vector<std::string>& names, const std::string& args) {
    return message(ErrorKind::recipe, [&] { RewardSet(names, {}, {16384, 4096, args}); });
  };
  CHECK_THAT(why({"cosine"}, R"({"cosine": {"max_lenn": 5}})"), Contains("cosine has no argument \"max_lenn\"; did you mean \"max_len\"?"));
  CHECK_THAT(why({"cosine"}, R"({"cosin": {}})"), Contains("\"cosin\" is not one of reward_funcs; did you mean \"cosine\"?"));
  CHECK_THAT(why({"cosine"}, R"({"cosine": {"max_len": 0}})"), Contains("cosine.max_len = 0: expected an integer within 1"));
  CHECK_THAT(why({"cosine"}, R"({"cosine": {"max_len": 1.5}})"), Contains("expected an integer"));
  CHECK_THAT(why({"cosine"}, R"({"cosine": {"min_value_wrong": "x"}})"), Contains("expected a number"));
  CHECK_THAT(why({"cosine"}, R"({"cosine": 3})"), Contains("expected a table of arguments"));
  CHECK_THAT(why({"format"}, R"({"format": {"x": 3}})"), Contains("format has no argument \"x\"; it has none"));
  CHECK_THAT(why({"repetition_penalty"}, R"({"repetition_penalty": {"max_penalty": 0.5}})"), Contains("within -1000000 and 0"));
  CHECK_THAT(why({"regex"}, R"({"regex": {"pattern": "a(b"}})"), Contains("a(b") && Contains("at character 4"));
  CHECK_THAT(why({"regex"}, R"({"regex": {"full_match": 1}})"), Contains("expected true or false"));
  CHECK_THAT(why({"choice"}, R"({"choice": {"letters": "ab"}})"), Contains("capital letters"));
  CHECK_THAT(why({"format"}, "[]"), Contains("expected a table of tables"));
  CHECK(RewardSet({"cosine", "format"}, {}, {16384, 4096, R"({"cosine": {"max_len": 5}})"}).names().size() == 2);
}

TEST_CASE("names are sorted, and each makes the reward of that name") {
  const auto names = reward_names();
  CHECK(std::is_sorted(names.begin(), names.end()));
  for (const std::string& name : names) CHECK(make_reward(std::string_view(name))->name() == name);
}

}  // namespace
}  // namespace grpo
