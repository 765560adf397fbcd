#include "libgrpo/base/clock.hpp"
#include "libgrpo/reward/math_verify.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace grpo {
namespace {

struct Row {
  std::string gold, answer;
  bool oracle, truth;
};

// tests/oracle/math_verify_oracle.py says what they are.
std::vector<Row> rows(const std::string& group) {
  std::ifstream file("tests/oracle/math_verify.json");
  REQUIRE(file);
  std::vector<Row> all;
  const auto groups = nlohmann::json::parse(file);
  for (const auto& row : groups.at(group)) all.push_back({row[0], row[1], row[2].get<int>() == 1, row[3].get<int>() == 1});
  return all;
}

TEST_CASE("every pair is judged as it is right, no pair is accepted that is wrong") {
  for (const char* group : {"gsm8k", "hand_made"}) {
    const std::vector<Row> all = rows(group);
    CHECK(all.size() > 400);
    for (const Row& row : all) {
      INFO(row.gold << " and " << row.answer);
      CHECK(compare_math(row.gold, row.answer).same == row.truth);
      CHECK(compare_math(row.answer, row.gold).same == row.truth);
    }
  }
}

TEST_CASE("math-verify says the same of 98 pairs in 100, and each other pair is in the table") {
  std::ifstream file("docs/math-verify-differences.md");
  const std::string table((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  std::size_t agreed = 0, count = 0;
  for (const char* group : {"gsm8k", "hand_made"}) {
    for (const Row& row : rows(group)) {
      const bool same = compare_math(row.gold, row.answer).same;
      ++count;
      agreed += same == row.oracle ? 1 : 0;
      INFO(row.gold << " and " << row.answer);
      if (same != row.oracle) CHECK(table.find("| `" + row.gold + "` | `" + row.answer + "` |") != std::string::npos);
    }
  }
  CHECK(count >= 1500);
  CHECK(static_cast<double>(agreed) >= 0.98 * static_cast<double>(count));
}

TEST_CASE("a comparison takes microseconds") {
  std::vector<Row> all = rows("gsm8k");
  const std::vector<Row> more = rows("hand_made");
  all.insert(all.end(), more.begin(), more.end());
  std::vector<double> times;
  for (const Row& row : all) {
    const Stopwatch clock;
    compare_math(row.gold, row.answer);
    times.push_back(clock.seconds() * 1e6);
  }
  std::sort(times.begin(), times.end());
  CHECK(times[times.size() / 2] < 100);  // 3 us when optimised and alone
}

TEST_CASE("nothing is rounded, and nearly equal is not equal") {
  // gold, answer
  const std::pair<const char*, const char*> different[] = {
      {"\\sqrt{2}", "1.41421356237309504880168872420969807856967187537694"},
      {"10^{12}", "\\sqrt{10^{24}+1}"},
      {"\\frac{1}{3}", "0.33333333333333333333333333333333333333333333333333"},
      {"1", "0.99999999999999999999999999999999999999"},
      {"\\sin 1", "0.8414709848078965066525023216302989996225630607983710"},
      {"0", "10^{-50}"},
      {"0", "\\sin 10^{-40}"},
      {"\\pi", "\\frac{355}{113}"},
      {"x", "\\sqrt{x^2}"},
      {"2\\ln x", "\\ln x^2"},
      {"\\sqrt{x}\\sqrt{y}", "\\sqrt{xy}"},
      {"2AB", "2"},
      {"2abc", "2"},
      {"9^{9^{9}}", "9^{9^{10}}"},
      {"9^{9^{9}}/\\frac{1}{23}", "9^{9^{9}}/\\frac{12}{3}"},
      {"2 1/2", "21/2"},
      {"\\frac{1}{23}", "\\frac{12}{3}"},
      {"A", "a"},
  };
  for (const auto& [gold, answer] : different) {
    INFO(gold << " and " << answer);
    CHECK_FALSE(compare_math(gold, answer).same);
    CHECK_FALSE(compare_math(answer, gold).same);
  }
  CHECK(compare_math("9^{9^9}", "$9^{9^9}$").same);  // too large to compute, spelled alike
  CHECK_FALSE(compare_math("72", "").same);
  CHECK_FALSE(compare_math("", "").same);
}

TEST_CASE("a verdict says why") {
  CHECK(compare_math("$1/2$", "1/2").why == "spelled alike");
  CHECK(compare_math("1/2", "0.5").why == "the same value");
  CHECK(compare_math("1/2", "0.6").why == "another value");
  CHECK(compare_math("1/2", "the half of it ((").why == "not read as mathematics, and spelled otherwise");
  CHECK(compare_math("1/2", "").why == "empty");
  CHECK(compare_math("1/2", std::string(5000, '1')).why == "too long to compare");
}

TEST_CASE("where the final answer stands") {
  const auto found = [](std::string_view text) { return std::string(find_math_answer(text).value_or("none")); };
  CHECK(found("<think>a</think><answer> 72 </answer>") == "72");
  CHECK(found("<answer>71</answer> no: <answer>72</answer>") == "72");
  CHECK(found("<answer>It is \\boxed{72}.</answer>") == "72");
  CHECK(found("\\boxed{71}, no, \\boxed{ \\frac{1}{2} }.") == "\\frac{1}{2}");
  CHECK(found("\\boxed{\\boxed{3}}") == "3");
  CHECK(found("\\fbox{3}") == "3");
  CHECK(found("\\boxed{\\{1, 2\\}}") == "\\{1, 2\\}");
  CHECK(found("\\boxed{3") == "none");
  CHECK(found("The final answer is 72. I am sure.") == "72");
  CHECK(found("The answer is: $3.5$") == "$3.5$");
  CHECK(found("**Answer:** 72") == "72");
  CHECK(found("the answer is 1\nso the answer is 2\n") == "2");
  CHECK(found("<think>\\boxed{1}</think> 2") == "none");
  CHECK(found("<think><answer>1</answer></think>\\boxed{2}") == "2");
  CHECK(found("72") == "none");
  CHECK(found("") == "none");
}

}  // namespace
}  // namespace grpo
