// Rewards that compare a final answer with the gold one as mathematics.
#include "libgrpo/config/value.hpp"
#include "libgrpo/reward/answer_tags.hpp"
#include "libgrpo/reward/builtin.hpp"
#include "libgrpo/reward/canonical_math.hpp"
#include "libgrpo/reward/math_verify.hpp"

#include <array>

namespace grpo::detail {
namespace {

std::string mode_of(std::optional<std::string_view> answer) { return answer ? canonical_math(*answer) : std::string(); }

std::optional<std::string_view> boxed_or_tagged(std::string_view text) {
  const auto boxed = last_boxed(text);
  return boxed ? boxed : first_answer(text, TagCase::exact);
}

// <answer>, else the last box, else the last line that is not empty.
std::string_view graded_candidate(std::string_view text) {
  if (const auto answer = first_answer(text, TagCase::any)) return *answer;
  if (const auto boxed = last_boxed(text)) return *boxed;
  text = trim(text);
  const std::size_t line = text.rfind('\n');
  return line == std::string_view::npos ? text : trim(text.substr(line + 1));
}

double graded(bool correct, std::string_view text) {
  constexpr std::array<std::string_view, 4> kTags = {"<think>", "</think>", "<answer>", "</answer>"};
  constexpr std::array<double, 5> kShare = {0.1, 0.25, 0.5, 0.75, 1.0};
  std::size_t kinds = 0, count = 0;
  for (const std::string_view tag : kTags) {
    const std::size_t before = count;
    for (std::size_t at = find_tag(text, tag, TagCase::any); at != std::string_view::npos;
         at = find_tag(text, tag, TagCase::any, at + tag.size()))
      ++count;
    kinds += count > before ? 1 : 0;
  }
  const bool formatted = is_think_then_answer(text);
  if (!correct) return formatted ? 0.05 : 0.0;
  if (formatted) return 1.0;
  return 0.5 * (count > 4 ? 0.5 : kShare[kinds]);
}

}  // namespace

namespace {

class GoldReward final : public RewardFn {
 public:
  GoldReward(std::string name, std::function<Reward(MathGold&, const Completion&)> score,
             std::function<std::string(const Completion&)> mode)
      : name_(std::move(name)), score_(std::move(score)), mode_(std::move(mode)) {}

  [[nodiscard]] std::string_view name() const override { return name_; }
  [[nodiscard]] RetryRules retry_rules() const override { return {.by_completion = true}; }
  [[nodiscard]] std::string mode(const Completion& completion) const override {
    return mode_ ? mode_(completion) : RewardFn::mode(completion);
  }

  [[nodiscard]] std::vector<Reward> score(const Group& group) const override {
    if (!has_gold(group.prompt)) return std::vector<Reward>(group.completions.size(), Reward::not_applicable());
    MathGold gold(group.prompt.solution);
    std::vector<Reward> rewards;
    for (const Completion& completion : group.completions) rewards.push_back(score_(gold, completion));
    return rewards;
  }

 private:
  std::string name_;
  std::function<Reward(MathGold&, const Completion&)> score_;
  std::function<std::string(const Completion&)> mode_;
};

/// 1 if the answer is the gold one, with what was read as the answer.
Reward right_or_not(MathGold& gold, std::optional<std::string_view> answer) {
  if (!answer) return Reward::of(0.0, "no answer found");
  return Reward::of(gold.compare(*answer).same ? 1.0 : 0.0, "answer " + show_text(*answer));
}

}  // namespace

bool has_gold(const Prompt& prompt) { return !trim(prompt.solution).empty(); }

bool is_right(MathGold& gold, const Completion& completion) {
  const auto answer = find_math_answer(completion.text);
  return answer && gold.compare(*answer).same;
}

std::unique_ptr<RewardFn> make_gold_reward(std::string name, std::function<Reward(MathGold&, const Completion&)> score,
                                           std::function<std::string(const Completion&)> mode) {
  return std::make_unique<GoldReward>(std::move(name), std::move(score), std::move(mode));
}

std::unique_ptr<RewardFn> make_math_verify() {
  return make_gold_reward(
      "math_verify", [](MathGold& gold, const Completion& completion) { return right_or_not(gold, find_math_answer(completion.text)); },
      [](const Completion& completion) { return mode_of(find_math_answer(completion.text)); });
}

std::unique_ptr<RewardFn> make_boxed_accuracy() {
  return make_gold_reward(
      "boxed_accuracy", [](MathGold& gold, const Completion& completion) { return right_or_not(gold, boxed_or_tagged(completion.text)); },
      [](const Completion& completion) { return mode_of(boxed_or_tagged(completion.text)); });
}

std::unique_ptr<RewardFn> make_pure_accuracy_math_graded() {
  return make_gold_reward(
      "pure_accuracy_math_graded",
      [](MathGold& gold, const Completion& completion) {
        const std::string_view answer = graded_candidate(completion.text);
        return Reward::of(graded(gold.compare(answer).same, completion.text), "answer " + show_text(answer));
      },
      [](const Completion& completion) { return mode_of(graded_candidate(completion.text)); });
}

}  // namespace grpo::detail
