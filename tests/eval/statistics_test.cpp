#include "libgrpo/eval/statistics.hpp"

#include "libgrpo/eval/estimators.hpp"

#include <algorithm>
#include <catch2/catch.hpp>

namespace grpo {
namespace {

using Verdicts = std::vector<std::pair<std::string, Reward>>;  // mode, verdict

AnsweredQuestion question(std::size_t number, const Verdicts& verdicts, std::optional<std::int64_t> known = {}) {
  AnsweredQuestion one;
  one.question = number;
  one.known_modes = known;
  for (const auto& [mode, verdict] : verdicts) one.answers.push_back({"text", 10, FinishReason::stop, mode, {verdict, Reward::of(0.25)}});
  return one;
}

const Reward kRight = Reward::of(1.0), kWrong = Reward::of(0.0);

std::optional<Estimate> find(const NamedEstimates& figures, const std::string& name) {
  for (const auto& [found, estimate] : figures)
    if (found == name) return estimate;
  return std::nullopt;
}

NamedEstimates of(const std::vector<AnsweredQuestion>& questions, EvalShape shape) {
  return eval_statistics(questions, {"verdict", "style"}, shape, {});
}

TEST_CASE("one completion a question is an accuracy, with the means of all rewards") {
  const auto figures =
      of({question(0, {{"1", kRight}}), question(1, {{"2", kWrong}}), question(2, {{"3", kWrong}}), question(3, {{"", kWrong}})}, {1, {1}});
  CHECK(find(figures, "accuracy")->mean == 0.25);
  CHECK(find(figures, "accuracy")->questions == 4);
  CHECK(find(figures, "rewards/style")->mean == 0.25);
  CHECK(find(figures, "tokens")->mean == 10.0);
  CHECK(find(figures, "cut")->mean == 0.0);
  CHECK_FALSE(find(figures, "pass@1"));
  CHECK_FALSE(find(figures, "failed"));
}

TEST_CASE("several completions: every figure is the mean of its estimator") {
  const std::vector<AnsweredQuestion> questions = {
      question(0, {{"a", kRight}, {"a", kRight}, {"b", kRight}, {"c", kWrong}}, 3),
      question(1, {{"x", kWrong}, {"x", kWrong}, {"", kWrong}, {"y", kRight}}, 1),
  };
  const auto figures = of(questions, {4, {1, 2, 4}});
  CHECK(find(figures, "mean@4")->mean == Approx((0.75 + 0.25) / 2));
  CHECK(find(figures, "pass@2")->mean == Approx((pass_at_k(4, 3, 2) + pass_at_k(4, 1, 2)) / 2));
  CHECK(find(figures, "maj@4")->mean == Approx((1.0 + 0.0) / 2));
  CHECK(find(figures, "maj@1")->mean == Approx(find(figures, "mean@4")->mean));
  CHECK(find(figures, "distinct@4")->mean == Approx((2.0 + 1.0) / 2));
  CHECK(find(figures, "coverage@4")->mean == Approx((2.0 / 3 + 1.0) / 2));
  CHECK(find(figures, "coverage@2")->mean == Approx((distinct_at_k(4, {2, 1}, 2) / 3 + pass_at_k(4, 1, 2)) / 2));
}

TEST_CASE("right answers that nobody can tell apart stand alone; coverage needs to know how many there are") {
  const auto figures = of({question(0, {{"", kRight}, {"", kRight}, {"", kWrong}})}, {3, {3}});
  CHECK(find(figures, "distinct@3")->mean == 2.0);
  CHECK(find(figures, "maj@3")->mean == 0.0);  // nobody votes
  CHECK_FALSE(find(figures, "coverage@3"));
}

TEST_CASE("verdicts that failed or do not apply are neither right nor wrong") {
  const auto figures =
      of({question(0, {{"a", kRight}, {"b", Reward::failed("down")}}),
          question(1, {{"a", Reward::not_applicable()}, {"b", Reward::not_applicable()}}), question(2, {{"a", kRight}, {"b", kWrong}})},
         {2, {1, 2}});
  CHECK(find(figures, "mean@2")->mean == Approx((1.0 + 0.5) / 2));
  CHECK(find(figures, "mean@2")->questions == 2);
  CHECK(find(figures, "pass@2")->questions == 1);  // the others have one or none that counts
  CHECK(find(figures, "pass@1")->questions == 2);
  CHECK(find(figures, "failed")->mean == Approx(0.5 / 3));
}

TEST_CASE("how far one is ahead is paired by question") {
  const std::vector<AnsweredQuestion> ours = {question(0, {{"a", kRight}}), question(1, {{"a", kWrong}}), question(2, {{"a", kRight}})};
  const std::vector<AnsweredQuestion> theirs = {question(2, {{"a", kWrong}}), question(1, {{"a", kWrong}}), question(0, {{"a", kRight}})};
  const Estimate ahead = eval_difference(ours, theirs, {});
  CHECK(ahead.mean == Approx(1.0 / 3));
  CHECK(ahead.questions == 3);
  CHECK(eval_difference(ours, ours, {}).high == 0.0);
  CHECK(eval_difference(ours, {}, {}).questions == 0);
}

}  // namespace
}  // namespace grpo
