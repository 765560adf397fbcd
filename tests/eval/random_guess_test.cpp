// Chance, against what can be counted.
#include "libgrpo/eval/random_guess.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/data/prompt_source.hpp"
#include "libgrpo/eval/benchmarks.hpp"
#include "libgrpo/eval/report.hpp"

#include <catch2/catch.hpp>
#include <cmath>

namespace grpo {
namespace {

using Catch::Matchers::Contains;

std::vector<Prompt> prompts_of(const PromptSource& source) {
  std::vector<Prompt> prompts;
  for (std::size_t i = 0; i < source.size(); ++i) {
    const Row row = source.row(i);
    prompts.emplace_back();
    prompts.back().solution = row.solution;
    prompts.back().columns = row.columns;
  }
  return prompts;
}

Estimate mean(const std::vector<AnsweredQuestion>& all, std::int64_t n, const std::string& name) {
  for (const auto& [found, estimate] : eval_statistics(all, {"verdict"}, {n, {n}}, {}))
    if (found == name) return estimate;
  FAIL("no figure " << name);
  return {};
}

TEST_CASE("colours of a graph: three open vertices of three colours, solutions / 27") {
  const auto prompts = prompts_of(*make_graph_colouring(TaskSplit::held_out, 0));
  const auto guesses = random_guess(prompts, RewardSet({"graph_colouring"}, {}), 8, 1);
  REQUIRE(guesses);
  double expected = 0.0;
  for (const Prompt& prompt : prompts) expected += std::stod(prompt.columns.at("solutions")) / 27.0 / static_cast<double>(prompts.size());
  CHECK(mean(*guesses, 8, "mean@8").mean == Approx(expected).margin(0.05));  // 768 guesses: one standard deviation is 0.016
  const double coverage = mean(*guesses, 8, "coverage@8").mean;
  CHECK(coverage == Approx(1.0 - std::pow(26.0 / 27.0, 8)).margin(0.03));  // each colouring is hit with this chance
}

TEST_CASE("numbers: the gold answers of others, as often as they agree") {
  std::vector<Prompt> prompts(40);
  for (std::size_t i = 0; i < prompts.size(); ++i) prompts[i].solution = std::to_string(i % 4);
  const auto guesses = random_guess(prompts, RewardSet({"math_verify"}, {}), 64, 3);
  REQUIRE(guesses);
  CHECK(mean(*guesses, 64, "mean@64").mean == Approx(9.0 / 39.0).margin(0.03));
  CHECK(guesses->at(0).answers[0].text.starts_with("\\boxed{"));
  CHECK(random_guess(prompts, RewardSet({"answer_accuracy"}, {}), 1, 3)->at(0).answers[0].text.starts_with("<answer>"));
  CHECK(random_guess(prompts, RewardSet({"pure_accuracy_math"}, {}), 1, 3)->at(0).answers[0].text.starts_with("<think>"));
}

TEST_CASE("puzzles are guessed at sometimes; what judges no answer cannot be") {
  const auto countdown = random_guess(prompts_of(*make_countdown(TaskSplit::held_out, 3, 0)), RewardSet({"countdown"}, {}), 64, 5);
  REQUIRE(countdown);
  CHECK(mean(*countdown, 64, "mean@64").mean > 0.001);
  CHECK(mean(*countdown, 64, "mean@64").mean < 0.2);
  const auto many = random_guess(prompts_of(*make_many_answers(TaskSplit::held_out, 0)), RewardSet({"regex"}, {}), 16, 5);
  REQUIRE(many);
  CHECK(mean(*many, 16, "mean@16").mean > 0.05);
  CHECK(mean(*many, 16, "mean@16").mean < 0.5);
  std::vector<Prompt> prompts(5);
  for (std::size_t i = 0; i < 5; ++i) prompts[i].solution = std::to_string(i);
  CHECK_FALSE(random_guess(prompts, RewardSet({"reasoning_steps"}, {}), 4, 1));
  CHECK_FALSE(random_guess({prompts[0]}, RewardSet({"math_verify"}, {}), 4, 1));
}

TEST_CASE("benchmarks: names are told apart, and every verdict is a reward of the library") {
  for (const Benchmark& one : benchmarks()) CHECK(RewardSet({one.reward}, {}).names() == std::vector<std::string>{one.reward});
  CHECK(find_benchmark("gsm8k").dataset == "openai/gsm8k");
  try {
    find_benchmark("math500");
    FAIL("math500 is none");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::recipe);
    CHECK_THAT(error.what(), Contains("did you mean math_500?") && Contains("aime24"));
  }
}

TEST_CASE("a report says the same in both forms") {
  EvalResult result;
  result.benchmark = "gsm8k";
  result.dataset = "openai/gsm8k";
  result.questions = 200;
  result.max_completion_length = 256;
  result.rewards = {"math_verify"};
  result.contestants = {
      {"model", "outputs/run", {{"accuracy", {0.17, 0.121, 0.2234, 200}}, {"tokens", {101.25, 99, 103, 200}}}, {}, 3.0},
      {"random guess", "", {{"accuracy", {0.01, 0.0, 0.02, 200}}, {"tokens", {0, 0, 0, 200}}}, Estimate{0.16, 0.11, 0.21, 200}, 0.0}};
  const std::string text = to_markdown({result}, {});
  CHECK_THAT(text, Contains("200 questions, greedy, at most 256 tokens; right by `math_verify`"));
  CHECK_THAT(text, Contains("| accuracy              | 17.0 % [12.1, 22.3] | 1.0 % [0.0, 2.0]    |"));
  CHECK_THAT(text, Contains("| tokens a completion   | 101.2 [99.0, 103.0] |                     |"));
  CHECK_THAT(text, Contains("| the model is ahead by |                     | 16.0 % [11.0, 21.0] |"));
  const std::string json = to_json({result}, {});
  CHECK_THAT(json, Contains("\"mean\": 0.17") && Contains("\"role\": \"random guess\"") && Contains("\"model\": null"));
}

}  // namespace
}  // namespace grpo
