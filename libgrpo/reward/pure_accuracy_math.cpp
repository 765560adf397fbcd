#include "libgrpo/reward/answer_tags.hpp"
#include "libgrpo/reward/builtin.hpp"
#include "libgrpo/reward/canonical_math.hpp"

namespace grpo::detail {
namespace {

Reward score(const Prompt& prompt, const Completion& completion) {
  if (canonical_math(prompt.solution).empty()) return Reward::not_applicable();
  if (!begins_with_think_then_answer(completion.text)) return Reward::of(0.0);
  // The first answer in the whole text, even one written while thinking: upstream's rule, and later guesses do not
  // count.
  const auto answer = first_answer(completion.text, TagCase::any);
  return Reward::of(answer && same_math(*answer, prompt.solution) ? 1.0 : 0.0);
}

}  // namespace

std::unique_ptr<RewardFn> make_pure_accuracy_math() { return make_reward("pure_accuracy_math", score); }

}  // namespace grpo::detail
