/// The rewards that come with the library. Internal to reward/: registry.cpp gives them their names in recipes, users
/// call make_reward(name). Tags are <think>, </think>, <answer>, </answer>; all rewards are 0 or 1 and linear in the
/// text.
#pragma once

#include "libgrpo/reward/reward_fn.hpp"

#include <memory>

namespace grpo::detail {

/// maxent-grpo's reward of November 2025: 1 if the completion begins with <think>...</think>...<answer>...</answer>
/// (any case, anything behind) and the first answer equals the gold one by canonical_math; not applicable without a
/// gold answer.
std::unique_ptr<RewardFn> make_pure_accuracy_math();

/// 1 if the first <answer>...</answer>, wherever it stands, equals the gold answer by canonical_math; no reasoning
/// asked for. Tags in lower case. Not applicable without a gold answer.
std::unique_ptr<RewardFn> make_answer_accuracy();

/// 1 if the completion is one <answer>...</answer> without '<' inside, and nothing but white space around it.
std::unique_ptr<RewardFn> make_format();

/// 1 if the completion is <think>...</think> <answer>...</answer>, each tag once and in lower case, and nothing but
/// white space before, between and behind.
std::unique_ptr<RewardFn> make_think_answer_format();

}  // namespace grpo::detail
