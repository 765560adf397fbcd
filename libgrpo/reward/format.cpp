#include "libgrpo/reward/answer_tags.hpp"
#include "libgrpo/reward/builtin.hpp"

namespace grpo::detail {

std::unique_ptr<RewardFn> make_format() {
  return make_reward("format",
                     [](const Prompt&, const Completion& completion) { return Reward::of(is_one_answer(completion.text) ? 1.0 : 0.0); });
}

std::unique_ptr<RewardFn> make_think_answer_format() {
  return make_reward("think_answer_format", [](const Prompt&, const Completion& completion) {
    return Reward::of(is_think_then_answer(completion.text) ? 1.0 : 0.0);
  });
}

}  // namespace grpo::detail
