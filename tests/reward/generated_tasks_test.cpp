// Every question of every built-in task: its known answer gets the full reward of the task's verifier, a wrong one does not.
#include "libgrpo/data/prompt_source.hpp"
#include "libgrpo/reward/reward_fn.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace grpo {
namespace {

using Json = nlohmann::json;

/// Full reward for the right one, none for the wrong ones. returns: questions tried
std::size_t check_task(const PromptSource& source, const char* reward, const std::function<std::string(const Row&)>& right,
                       const std::function<std::vector<std::string>(const Row&, const std::string&)>& wrong) {
  const auto verifier = make_reward(std::string_view(reward));
  for (std::size_t i = 0; i < source.size(); ++i) {
    const Row row = source.row(i);
    Group group;
    group.prompt.text = row.question;
    group.prompt.solution = row.solution;
    group.prompt.columns = row.columns;
    const std::string answer = right(row);
    std::vector<std::string> texts = wrong(row, answer);
    const std::size_t wrongs = texts.size();
    texts.push_back("Let me think. The answer is " + answer);
    texts.push_back("<think>some</think><answer>" + answer + "</answer>");
    for (const std::string& text : texts) {
      group.completions.emplace_back();
      group.completions.back().text = text;
    }
    const auto rewards = verifier->score(group);
    for (std::size_t k = 0; k < texts.size(); ++k) {
      INFO(reward << ", " << row.question << ": " << texts[k]);
      REQUIRE(rewards[k].has_value());
      CHECK(rewards[k].value() == (k < wrongs ? 0.0 : 1.0));
    }
  }
  return source.size();
}

std::string tagged(const std::string& answer) { return "<answer>" + answer + "</answer>"; }

/// A way to the target by search, written out; both shapes of brackets of three numbers.
std::string solve_countdown(const Row& row) {
  auto numbers = Json::parse(row.solution).at("numbers").get<std::vector<int>>();
  const double target = Json::parse(row.solution).at("target").get<double>();
  const auto apply = [](double a, char op, double b) { return op == '+' ? a + b : op == '-' ? a - b : op == '*' ? a * b : a / b; };
  std::sort(numbers.begin(), numbers.end());
  do {
    for (const char one : std::string("+-*/"))
      for (const char two : std::string("+-*/")) {
        const std::string a = std::to_string(numbers[0]), b = std::to_string(numbers[1]), c = std::to_string(numbers[2]);
        if (std::abs(apply(apply(numbers[0], one, numbers[1]), two, numbers[2]) - target) < 1e-9)
          return "(" + a + " " + one + " " + b + ") " + two + " " + c;
        if (std::abs(apply(numbers[0], one, apply(numbers[1], two, numbers[2])) - target) < 1e-9)
          return a + " " + one + " (" + b + " " + two + " " + c + ")";
      }
  } while (std::next_permutation(numbers.begin(), numbers.end()));
  return "no way";
}

/// The hidden colours of a colouring that is proper, or of one that is not.
std::string find_colouring(const Row& row, bool proper) {
  const Json task = Json::parse(row.solution);
  const std::string partial = task.at("partial");
  for (int code = 0; code < 27; ++code) {
    std::string colours = partial, hidden;
    int rest = code;
    for (char& c : colours)
      if (c == '?') {
        c = static_cast<char>('1' + rest % 3);
        rest /= 3;
        hidden += c;
      }
    const Json& edges = task.at("edges");
    const bool holds = std::all_of(edges.begin(), edges.end(), [&](const Json& edge) {
      return colours[edge[0].get<std::size_t>()] != colours[edge[1].get<std::size_t>()];
    });
    if (holds == proper) return hidden;
  }
  return "no way";
}

TEST_CASE("sums: the sum, and not another") {
  for (const TaskSplit split : {TaskSplit::train, TaskSplit::held_out})
    check_task(
        *make_sums(split, 1), "math_verify", [](const Row& row) { return row.solution; },
        [](const Row&, const std::string& answer) {
          return std::vector<std::string>{tagged(std::to_string(std::stoi(answer) + 1)), "I do not know"};
        });
}

TEST_CASE("countdown: a way to the target, and not one that misses it or leaves a number out") {
  std::size_t tried = 0;
  for (const TaskSplit split : {TaskSplit::train, TaskSplit::held_out})
    tried += check_task(*make_countdown(split, 3, 1), "countdown", solve_countdown, [](const Row& row, const std::string& answer) {
      return std::vector<std::string>{tagged(answer + " + 1"), tagged("1 * (" + answer + ")"),
                                      tagged(Json::parse(row.solution).at("target").dump()), "none"};
    });
  CHECK(tried == 512);
}

TEST_CASE("graph_colouring: a proper colouring, and not one with a vertex like its neighbour") {
  std::size_t tried = 0;
  for (const TaskSplit split : {TaskSplit::train, TaskSplit::held_out})
    tried += check_task(
        *make_graph_colouring(split, 1), "graph_colouring", [](const Row& row) { return find_colouring(row, true); },
        [](const Row& row, const std::string& answer) {
          return std::vector<std::string>{tagged(find_colouring(row, false)), tagged("4" + answer.substr(1)), tagged(answer.substr(1)),
                                          "none"};
        });
  CHECK(tried == 288);
}

TEST_CASE("many_answers: each of its answers, and not the number behind it") {
  for (const TaskSplit split : {TaskSplit::train, TaskSplit::held_out}) {
    const auto source = make_many_answers(split, 1);
    const auto verifier = make_reward(std::string_view("regex"));
    for (std::size_t i = 0; i < source->size(); ++i) {
      const Row row = source->row(i);
      Group group;
      group.prompt.solution = row.solution;
      const auto answers = Json::parse(row.columns.at("answers")).get<std::vector<int>>();
      for (const int answer : answers)
        for (const int add : {0, 1}) {
          group.completions.emplace_back();
          group.completions.back().text = "It is " + std::to_string(answer + add);
        }
      const auto rewards = verifier->score(group);
      for (std::size_t k = 0; k < rewards.size(); ++k) {
        INFO(row.question << ": " << group.completions[k].text);
        CHECK(rewards[k].value() == (k % 2 == 0 ? 1.0 : 0.0));
      }
    }
  }
}

}  // namespace
}  // namespace grpo
