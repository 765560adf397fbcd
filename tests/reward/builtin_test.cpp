#include "libgrpo/reward/reward_fn.hpp"

#include <catch2/catch.hpp>

namespace grpo {
namespace {

Reward verdict(std::string_view name, const std::string& text, const std::string& solution = "72") {
  Group group;
  group.prompt.solution = solution;
  group.completions.resize(1);
  group.completions[0].text = text;
  return make_reward(name)->score(group).at(0);
}

double value(std::string_view name, const std::string& text, const std::string& solution = "72") {
  const Reward reward = verdict(name, text, solution);
  REQUIRE(reward.has_value());
  return reward.value();
}

TEST_CASE("pure_accuracy_math wants thought, then the right answer") {
  constexpr std::string_view kName = "pure_accuracy_math";
  CHECK(value(kName, "<think>48 + 24</think><answer>72</answer>") == 1.0);
  CHECK(value(kName, "<think>48\n+ 24</think>\nSo:\n<answer> (72.0) </answer> I am sure.") == 1.0);
  CHECK(value(kName, "<Think></THINK><Answer>72</answer>") == 1.0);
  CHECK(value(kName, "<think>48 + 24</think><answer>71</answer>") == 0.0);
  CHECK(value(kName, "<answer>72</answer>") == 0.0);
  CHECK(value(kName, " <think>48 + 24</think><answer>72</answer>") == 0.0);
  CHECK(value(kName, "<think>48 + 24</think><answer>72") == 0.0);
  CHECK(value(kName, "<think>48 + 24</think>72") == 0.0);
  CHECK(value(kName, "") == 0.0);
  CHECK(value(kName, "<think>a</think><answer></answer>") == 0.0);
}

TEST_CASE("pure_accuracy_math takes the first answer, so guessing on gains nothing") {
  constexpr std::string_view kName = "pure_accuracy_math";
  CHECK(value(kName, "<think>a</think><answer>71</answer><answer>72</answer>") == 0.0);
  CHECK(value(kName, "<think>a</think><answer>72</answer><answer>71</answer>") == 1.0);
  CHECK(value(kName, "<think><answer>71</answer></think><answer>72</answer>") == 0.0);
}

TEST_CASE("answer_accuracy wants the right answer alone") {
  constexpr std::string_view kName = "answer_accuracy";
  CHECK(value(kName, "<answer>72</answer>") == 1.0);
  CHECK(value(kName, "It is <answer>\n 72.0 </answer>, surely") == 1.0);
  CHECK(value(kName, "<answer>71</answer> <answer>72</answer>") == 0.0);
  CHECK(value(kName, "<ANSWER>72</ANSWER>") == 0.0);
  CHECK(value(kName, "72") == 0.0);
  CHECK(value(kName, "") == 0.0);
}

TEST_CASE("without a gold answer accuracy is not applicable, format is") {
  for (const char* solution : {"", "  \n"}) {
    CHECK(verdict("pure_accuracy_math", "<think>a</think><answer></answer>", solution).kind() ==
          Reward::Kind::not_applicable);
    CHECK(verdict("answer_accuracy", "<answer></answer>", solution).kind() == Reward::Kind::not_applicable);
    CHECK(value("format", "<answer></answer>", solution) == 1.0);
    CHECK(value("think_answer_format", "<think></think><answer></answer>", solution) == 1.0);
  }
}

TEST_CASE("format and think_answer_format look at the shape alone") {
  CHECK(value("format", " <answer>anything</answer>\n") == 1.0);
  CHECK(value("format", "<think>a</think><answer>72</answer>") == 0.0);
  CHECK(value("think_answer_format", "<think>a</think>\n<answer>anything</answer>") == 1.0);
  CHECK(value("think_answer_format", "<answer>72</answer>") == 0.0);
}

TEST_CASE("soft_overlong_punishment falls from 0 to -1 over the last tokens of what is allowed") {
  const auto reward = make_reward("soft_overlong_punishment", {100, 20});
  const auto of_length = [&](std::size_t length) {
    Group group;
    group.completions.resize(1);
    group.completions[0].ids.resize(length);
    return reward->score(group).at(0).value();
  };
  CHECK(of_length(1) == 0.0);
  CHECK(of_length(80) == 0.0);
  CHECK(of_length(85) == Approx(-0.25));
  CHECK(of_length(100) == -1.0);
  CHECK(of_length(130) == -1.0);
  CHECK_THROWS(make_reward("soft_overlong_punishment", {100, 200}));
}

TEST_CASE("right answers are told apart by what stands in the answer tags") {
  const auto reward = make_reward("answer_accuracy");
  Completion c;
  c.text = "<think>x</think><Answer> 72.0 </answer>";
  CHECK(reward->mode(c) == "72");
  c.text = "no tags: 72";
  CHECK(reward->mode(c).empty());
}

}  // namespace
}  // namespace grpo
