/// The rewards that come with the library. Internal to reward/: registry.cpp gives them their names in recipes, users
/// call make_reward(name). Tags are <think>, </think>, <answer>, </answer>; all rewards but the last are 0 or 1, and
/// all are linear in the text.
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

/// 0 up to max - cache tokens, then falling linearly to -1 at max, and -1 beyond, by the length in tokens
/// (Yu et al. 2025, "DAPO", equation 13). throws: Error{recipe} unless 0 < cache <= max
std::unique_ptr<RewardFn> make_soft_overlong_punishment(const RewardSettings& settings);

}  // namespace grpo::detail
