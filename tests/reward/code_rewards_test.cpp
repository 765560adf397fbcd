#include "libgrpo/base/error.hpp"
#include "tests/reward/scratch_programs.hpp"

namespace grpo {
namespace {

using Catch::Matchers::Contains;

std::vector<Reward> judge(const std::string& name, const std::string& column, const std::string& tests,
                          const std::vector<std::string>& texts, const std::string& args = "{}") {
  Group group = testing::group_with(texts);
  group.prompt.columns[column] = tests;
  group.prompt.solution.clear();
  RewardSettings settings;
  settings.args = "{\"" + name + "\": " + args + "}";
  settings.retries = 0;
  settings.timeout = 20.0;
  return make_reward(std::string_view(name), settings)->score(group);
}

std::string block(const std::string& code) { return "Here it is:\n```python\n" + code + "\n```\nDone."; }

TEST_CASE("python_unit_tests: right, half right, wrong, none, and what tries to look right") {
  const std::string tests = R"(["assert add(1, 2) == 3", "assert add(-1, 1) == 0"])";
  const std::vector<std::string> texts = {
      block("def add(a, b):\n    return a + b"),
      block("def add(a, b):\n    return 3"),
      block("def add(a, b) return a"),
      "I do not know.",
      block("import sys\nsys.exit(0)"),
      block("import os\nprint('passed')\nos._exit(0)"),
      block("while True: pass"),
      "<think>\n```python\ndef add(a, b): return a + b\n```\n</think> no code",
      block("raise KeyboardInterrupt"),
      "```\ndef add(a, b):\n    return a + b\n```\nand in C\n```c\nint add();\n```",
      "```python\ndef add(a, b):\n    return a + b",
  };
  const auto whole = judge("python_unit_tests", "tests", tests, texts, R"({"seconds": 3})");
  const std::vector<double> expected = {1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1};
  for (std::size_t i = 0; i < expected.size(); ++i) {
    INFO(texts[i] << ": " << whole[i].reason() << whole[i].why());
    REQUIRE(whole[i].has_value());
    CHECK(whole[i].value() == expected[i]);
  }
  CHECK_THAT(whole[1].reason(), Contains("1 of 2 tests; AssertionError"));
  CHECK_THAT(whole[2].reason(), Contains("SyntaxError"));
  CHECK(whole[3].reason() == "no code block");
  CHECK_THAT(whole[5].reason(), Contains("the tests were not reached: exit code 0"));
  CHECK_THAT(whole[6].reason(), Contains("the tests were not reached: "));
  CHECK(judge("python_unit_tests", "tests", tests, {texts[1]}, R"({"partial": true})")[0].value() == 0.5);
}

TEST_CASE("python_unit_tests: tests as a text, in another column, as the solution, or missing") {
  const std::string good = block("x = 1");
  CHECK(judge("python_unit_tests", "tests", "assert x == 1\nassert x < 2", {good})[0].value() == 1.0);
  CHECK(judge("python_unit_tests", "check", "assert x == 2", {good}, R"({"column": "check"})")[0].value() == 0.0);
  CHECK(judge("python_unit_tests", "other", "x", {good})[0].kind() == Reward::Kind::not_applicable);
  CHECK(judge("python_unit_tests", "tests", "[]", {good})[0].kind() == Reward::Kind::not_applicable);
  Group group = testing::group_with({good});
  group.prompt.solution = "assert x == 1";
  CHECK(make_reward(std::string_view("python_unit_tests"))->score(group)[0].value() == 1.0);
}

TEST_CASE("stdin_stdout: words are compared, all cases or their share, one limit of time for all") {
  const std::string cases = R"([{"input": "1 2\n", "output": "3\n"}, {"input": "5 5", "output": "10"}, {"input": "a", "output": "error"}])";
  const std::string right = block("import sys\nw = sys.stdin.read().split()\nprint(int(w[0]) + int(w[1]) if len(w) == 2 else ' error ')");
  const std::string half = block("a, b = input().split()\nprint(int(a) + int(b))");
  const auto r = judge("stdin_stdout", "cases", cases, {right, half, block("print(3)"), "none"});
  CHECK(r[0].value() == 1.0);
  CHECK(r[0].reason() == "3 of 3 cases");
  CHECK(r[1].value() == 0.0);
  CHECK_THAT(r[1].reason(), Contains("2 of 3 cases; case 3: exit code 1"));
  CHECK_THAT(r[2].reason(), Contains("1 of 3 cases; case 2: printed 3"));
  CHECK(r[3].value() == 0.0);
  CHECK(judge("stdin_stdout", "cases", cases, {half}, R"({"partial": true})")[0].value() == Approx(2.0 / 3.0));
  CHECK(judge("stdin_stdout", "cases", R"({"inputs": ["1 1"], "outputs": ["2"]})", {half})[0].value() == 1.0);
  CHECK(judge("stdin_stdout", "cases", "no JSON", {half})[0].kind() == Reward::Kind::not_applicable);
  CHECK_THAT(
      judge("stdin_stdout", "cases", cases, {block("import time\ntime.sleep(50)")}, R"({"seconds": 0.5, "partial": true})")[0].reason(),
      Contains("0 of 3 cases; case 1: time limit"));
}

TEST_CASE("a program that cannot be run at all is a failed verdict, not a wrong answer") {
  CHECK_THROWS_WITH(judge("python_unit_tests", "tests", "assert x", {block("x = 1")}, R"({"python": "no-such-python"})"),
                    Contains("no-such-python"));
}

}  // namespace
}  // namespace grpo
