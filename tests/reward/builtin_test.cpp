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
    CHECK(verdict("pure_accuracy_math", "<think>a</think><answer></answer>", solution).kind() == Reward::Kind::not_applicable);
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
  const auto reward = make_reward("soft_overlong_punishment", {100, 20, "{}"});
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
  CHECK_THROWS(make_reward("soft_overlong_punishment", {100, 200, "{}"}));
}

TEST_CASE("right answers are told apart by what stands in the answer tags") {
  const auto reward = make_reward("answer_accuracy");
  Completion c;
  c.text = "<think>x</think><Answer> 72.0 </answer>";
  CHECK(reward->mode(c) == "72");
  c.text = "no tags: 72";
  CHECK(reward->mode(c).empty());
}

// One group of completions with given lengths in tokens.
std::vector<double> values(const RewardFn& reward, const std::vector<std::pair<std::string, std::size_t>>& completions,
                           const std::string& solution = "72") {
  Group group;
  group.prompt.solution = solution;
  for (const auto& [text, length] : completions) {
    group.completions.emplace_back();
    group.completions.back().text = text;
    for (std::size_t i = 0; i < length; ++i) group.completions.back().ids.push_back(static_cast<std::int32_t>(i));
  }
  std::vector<double> all;
  for (const Reward& r : reward.score(group)) all.push_back(r.value());
  return all;
}

TEST_CASE("math_verify and boxed_accuracy compare as mathematics") {
  CHECK(value("math_verify", "So the final answer is $\\frac{144}{2}$.") == 1.0);
  CHECK(value("math_verify", "<answer>73</answer>") == 0.0);
  CHECK(value("math_verify", "72") == 0.0);
  CHECK(verdict("math_verify", "72", "").kind() == Reward::Kind::not_applicable);
  CHECK(value("boxed_accuracy", "\\boxed{71} or \\boxed{72.0}") == 1.0);
  CHECK(value("boxed_accuracy", "<answer>72</answer>") == 1.0);
  CHECK(value("boxed_accuracy", "the answer is 72") == 0.0);
  CHECK(value("boxed_accuracy", "<answer>72</answer> \\boxed{71}") == 0.0);
}

TEST_CASE("pure_accuracy_math_graded pays for tags") {
  constexpr std::string_view kName = "pure_accuracy_math_graded";
  CHECK(value(kName, "<think>a</think><answer>72</answer>") == 1.0);
  CHECK(value(kName, "<think>a</think><answer>71</answer>") == 0.05);
  CHECK(value(kName, "72") == Approx(0.05));
  CHECK(value(kName, "<think>a\n72") == Approx(0.125));
  CHECK(value(kName, "<answer>72</answer>") == Approx(0.25));
  CHECK(value(kName, "</think><answer>72</answer>") == Approx(0.375));
  CHECK(value(kName, "x <think>a</think><answer>72</answer>") == Approx(0.5));
  CHECK(value(kName, "<think>a</think><answer>72</answer><answer>72</answer>") == Approx(0.25));
  CHECK(value(kName, "71") == 0.0);
}

TEST_CASE("tag_count, think_format and reasoning_steps") {
  CHECK(value("tag_count", "<think>\na\n</think>\n<answer>\n72\n</answer>") == 1.0);
  CHECK(value("tag_count", "<think>a\n</think>\n<answer>\n72\n</answer>") == 0.75);
  CHECK(value("tag_count", "<think>\n<think>\n") == 0.0);
  CHECK(value("tag_count", "<think>\n") == 0.25);
  CHECK(value("think_format", "<think>a</think> b") == 1.0);
  CHECK(value("think_format", " <think>a</think>") == 0.0);
  CHECK(value("think_format", "<think>a</think><think>") == 0.0);
  CHECK(value("think_format", "<think>a") == 0.0);
  CHECK(value("reasoning_steps", "First, a.\n- b\nStep 12: c. Finally, d") == 1.0);
  CHECK(value("reasoning_steps", "1. a\n2. b") == Approx(1.0 / 3));
  CHECK(value("reasoning_steps", "Step x: Firstly") == 0.0);
}

TEST_CASE("cosine: right answers should be short, wrong ones long") {
  const auto reward = make_reward("cosine", {100, 50, R"({"cosine": {"max_len": 100}})"});
  const auto all =
      values(*reward, {{"\\boxed{72}", 0}, {"\\boxed{72}", 50}, {"\\boxed{72}", 100}, {"\\boxed{72}", 300}, {"", 0}, {"", 50}, {"", 100}});
  const std::vector<double> expected = {1.0, 0.75, 0.5, 0.5, -1.0, -0.75, -0.5};
  for (std::size_t i = 0; i < expected.size(); ++i) CHECK(all.at(i) == Approx(expected[i]));
}

TEST_CASE("length compares within the group") {
  const auto reward = make_reward("length");
  const auto all = values(*reward, {{"\\boxed{72}", 10}, {"\\boxed{72}", 20}, {"\\boxed{72}", 30}, {"", 10}, {"", 30}});
  const std::vector<double> expected = {0.5, 0.0, -0.5, 0.0, -0.5};
  for (std::size_t i = 0; i < expected.size(); ++i) CHECK(all.at(i) == Approx(expected[i]));
  CHECK(values(*reward, {{"\\boxed{72}", 10}, {"", 10}}) == std::vector<double>{0.0, 0.0});
}

TEST_CASE("repetition_penalty counts n-grams of tokens") {
  const auto reward = make_reward("repetition_penalty", {100, 50, R"({"repetition_penalty": {"n_grams": 2, "max_penalty": -2}})"});
  const auto of = [&](std::vector<std::int32_t> ids) {
    Group group;
    group.completions.resize(1);
    group.completions[0].ids = std::move(ids);
    return reward->score(group).at(0).value();
  };
  CHECK(of({1}) == 0.0);
  CHECK(of({1, 2, 3}) == 0.0);
  CHECK(of({1, 1, 1, 1, 1}) == Approx(-1.5));
  CHECK(of({1, 2, 1, 2, 3}) == Approx(-0.5));
}

TEST_CASE("countdown: the numbers once each, and the target") {
  const std::string task = R"({"numbers": [2, 3, 4], "target": 10})";
  const auto of = [&](const std::string& text) { return value("countdown", text, task); };
  for (const char* right : {"\\boxed{2*3+4}", "<answer>4 + (3 * 2)</answer>", "2 \\times 3 + 4 = 10", "3 * 4 - 2", "\\boxed{3\\cdot4-2}",
                            "10 = 2*3+4", "-2+4*3",
                            "3\xC3\x97"
                            "4\xE2\x88\x92"
                            "2"}) {
    INFO(right);
    CHECK(of(right) == 1.0);
  }
  for (const char* wrong : {"10", "\\boxed{2+4+4}", "2*3+4+0", "2*3", "23-4", "2 3+4", "2*3+4/1", "4+3+2", "2^3+2", "", "2*3+4=11=12",
                            "\\frac{2}{3}", "(2*3+4", "2*3+4)", "6+4"}) {
    INFO(wrong);
    CHECK(of(wrong) == (std::string_view(wrong) == "2*3+4=11=12" ? 1.0 : 0.0));  // any side of an equation counts
  }
  CHECK(verdict("countdown", "2*3+4", "10").kind() == Reward::Kind::not_applicable);
  const auto reward = make_reward("countdown");
  const auto mode = [&](const std::string& text) {
    Completion c;
    c.text = text;
    return reward->mode(c);
  };
  CHECK(mode("2*3+4") == mode("\\boxed{4+(3*2)}"));
  CHECK(mode("(1+2)+3") == mode("1+(3+2)"));
  CHECK(mode("5-(2-3)") == mode("5-2+3"));
  CHECK(mode("8/2*3") == mode("3*8/2"));
  CHECK(mode("2*3+4") != mode("3*4-2"));
  CHECK(mode("8/2") != mode("2/8"));
  CHECK(mode("no").empty());
}

TEST_CASE("graph_colouring: neighbours differ") {
  const std::string task = R"({"edges": [[0, 1], [1, 2]], "partial": "1??", "colours": 3})";
  const auto of = [&](const std::string& text) { return value("graph_colouring", text, task); };
  CHECK(of("\\boxed{21}") == 1.0);
  CHECK(of("\\boxed{2, 3}") == 1.0);
  CHECK(of("121") == 1.0);
  CHECK(of("221") == 0.0);
  CHECK(of("11") == 0.0);
  CHECK(of("22") == 0.0);
  CHECK(of("24") == 0.0);
  CHECK(of("2") == 0.0);
  CHECK(of("red, blue") == 0.0);
  CHECK(verdict("graph_colouring", "2", R"({"edges": [[0, 9]], "partial": "1?"})").kind() == Reward::Kind::not_applicable);
  CHECK(verdict("graph_colouring", "21", "x").kind() == Reward::Kind::not_applicable);
}

TEST_CASE("regex by a pattern of the recipe or of the row; too many steps fail") {
  const auto of = [&](const std::string& args, const std::string& text, const std::string& solution = "") {
    Group group;
    group.prompt.solution = solution;
    group.completions.resize(1);
    group.completions[0].text = text;
    return make_reward("regex", {100, 50, args})->score(group).at(0);
  };
  CHECK(of(R"({"regex": {"pattern": "\\d+"}})", "a 12 b").value() == 1.0);
  CHECK(of(R"({"regex": {"pattern": "\\d+", "full_match": true}})", "a 12 b").value() == 0.0);
  CHECK(of(R"({"regex": {"pattern": "\\d+", "full_match": true}})", "12").value() == 1.0);
  CHECK(of("{}", "yes", "^y").value() == 1.0);
  CHECK(of("{}", "no", "^y").value() == 0.0);
  CHECK(of("{}", "no").kind() == Reward::Kind::not_applicable);
  CHECK(of("{}", "no", "a(").kind() == Reward::Kind::failed);
  CHECK(of(R"({"regex": {"pattern": "^(a+)+$"}})", std::string(5000, 'a') + "b").kind() == Reward::Kind::failed);
}

TEST_CASE("choice reads a letter") {
  for (const char* right :
       {"\\boxed{B}", "<answer>(B)</answer>", "The answer is B.", "B", "b)", "\\boxed{\\text{B}}", "<answer>B) Paris</answer>"}) {
    INFO(right);
    CHECK(value("choice", right, "B") == 1.0);
  }
  for (const char* wrong : {"\\boxed{A}", "Because", "", "\\boxed{BA}", "A or B"}) {
    INFO(wrong);
    CHECK(value("choice", wrong, "(B)") == 0.0);
  }
  CHECK(verdict("choice", "B", "72").kind() == Reward::Kind::not_applicable);
}

}  // namespace
}  // namespace grpo
