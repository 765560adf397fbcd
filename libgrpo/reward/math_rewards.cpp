// Rewards that compare a final answer with the gold one as mathematics.
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
    for (std::size_t at = find_tag(text, tag, TagCase::any); at != std::string_view::npos; at = find_tag(text, tag, TagCase::any, at + tag.size())) ++count;
    kinds += count > before ? 1 : 0;
  }
  const bool formatted = is_think_then_answer(text);
  if (!correct) return formatted ? 0.05 : 0.0;
  if (formatted) return 1.0;
  return 0.5 * (count > 4 ? 0.5 : kShare[kinds]);
}

}  // namespace

bool has_gold(const Prompt& prompt) { return !trim(prompt.solution).empty(); }

bool is_right(const Prompt& prompt, const Completion& completion) {
  const auto answer = find_math_answer(completion.text);
  return answer && compare_math(prompt.solution, *answer).same;
}

std::unique_ptr<RewardFn> make_math_verify() {
  return make_reward_with_mode(
      "math_verify",
      [](const Prompt& prompt, const Completion& completion) {
        return has_gold(prompt) ? Reward::of(is_right(prompt, completion) ? 1.0 : 0.0) : Reward::not_applicable();
      },
      [](const Completion& completion) { return mode_of(find_math_answer(completion.text)); });
}

std::unique_ptr<RewardFn> make_boxed_accuracy() {
  return make_reward_with_mode(
      "boxed_accuracy",
      [](const Prompt& prompt, const Completion& completion) {
        if (!has_gold(prompt)) return Reward::not_applicable();
        const auto answer = boxed_or_tagged(completion.text);
        return Reward::of(answer && compare_math(prompt.solution, *answer).same ? 1.0 : 0.0);
      },
      [](const Completion& completion) { return mode_of(boxed_or_tagged(completion.text)); });
}

std::unique_ptr<RewardFn> make_pure_accuracy_math_graded() {
  return make_reward_with_mode(
      "pure_accuracy_math_graded",
      [](const Prompt& prompt, const Completion& completion) {
        if (!has_gold(prompt)) return Reward::not_applicable();
        return Reward::of(graded(compare_math(prompt.solution, graded_candidate(completion.text)).same, completion.text));
      },
      [](const Completion& completion) { return mode_of(graded_candidate(completion.text)); });
}

}  // namespace grpo::detail
