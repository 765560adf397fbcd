#include "libgrpo/reward/answer_tags.hpp"
#include "libgrpo/reward/builtin.hpp"
#include "libgrpo/reward/canonical_math.hpp"

namespace grpo::detail {
namespace {

Reward score(const Prompt& prompt, const Completion& completion) {
  if (canonical_math(prompt.solution).empty()) return Reward::not_applicable();
  const auto answer = first_answer(completion.text, TagCase::exact);
  return Reward::of(answer && same_math(*answer, prompt.solution) ? 1.0 : 0.0);
}

}  // namespace

std::unique_ptr<RewardFn> make_answer_accuracy() { return make_reward("answer_accuracy", score); }

}  // namespace grpo::detail
