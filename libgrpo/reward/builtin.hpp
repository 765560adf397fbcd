/// The rewards that come with the library. Internal to reward/: registry.cpp gives them their names in recipes, users
/// call make_reward(name). Tags are <think>, </think>, <answer>, </answer>. All are linear in the text, but for sorting n-grams.
/// docs/guides/rewards.md has the rules in full.
#pragma once

#include "libgrpo/reward/math_verify.hpp"
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

/// 1 if the final answer (find_math_answer) is the gold one as mathematics (compare_math). Not applicable without a gold answer.
std::unique_ptr<RewardFn> make_math_verify();

/// The same for the last \boxed{}, wherever it stands, or else the first <answer>.
std::unique_ptr<RewardFn> make_boxed_accuracy();

/// maxent-grpo's later reward: right and well formed 1; right otherwise half of a share by how many of the four tags there are (0.1, 0.25,
/// 0.5, 0.75, 1; 0.5 if a tag appears twice); wrong but well formed 0.05; else 0. Answers are compared by compare_math.
std::unique_ptr<RewardFn> make_pure_accuracy_math_graded();

/// open-r1's: a quarter for each of "<think>\n", "\n</think>\n", "\n<answer>\n", "\n</answer>" that appears exactly once.
std::unique_ptr<RewardFn> make_tag_count();

/// TRL's: 1 if the text begins with <think>, has no second <think>, and a </think>.
std::unique_ptr<RewardFn> make_think_format();

/// open-r1's: marks of steps in the text, a third each, at most 1.
std::unique_ptr<RewardFn> make_reasoning_steps();

/// TRL's: a right answer falls from max_value_correct to min_value_correct as its tokens near max_len, a wrong one goes from min_value_wrong to
/// max_value_wrong, along half a cosine (Yeo et al. 2025, "Demystifying long chain-of-thought"). Not applicable without a gold answer.
std::unique_ptr<RewardFn> make_cosine(const RewardSettings& settings);

/// 0.5 - (tokens - fewest) / (most - fewest) within the group, a wrong answer at most 0, all 0 if all are as long (Kimi k1.5, section 2.3.3).
std::unique_ptr<RewardFn> make_length();

/// max_penalty (1 - different n-grams / n-grams) over tokens; 0 if there are fewer than n (Yeo et al. 2025).
std::unique_ptr<RewardFn> make_repetition_penalty(const RewardSettings& settings);

/// 1 if the answer is arithmetic (+ - * / and brackets) on exactly the numbers of the task, with its target as value. The solution is
/// {"numbers": [2, 3, 4], "target": 10}; not applicable otherwise. Modes merge commutativity and associativity.
std::unique_ptr<RewardFn> make_countdown();

/// 1 if the answer, the digits of the hidden vertices or of all, colours the graph properly. The solution is {"edges": [[0, 1]], "partial":
/// "1?", "colours": 3}; not applicable otherwise.
std::unique_ptr<RewardFn> make_graph_colouring();

/// 1 if the pattern (PCRE2) is found in the text, or matches all of it where full_match; without a pattern, the solution is one. Failed
/// where the match takes too many steps.
std::unique_ptr<RewardFn> make_regex(const RewardSettings& settings);

/// 1 if the answer is the gold letter: B, (B), B. or "B) Paris". Not applicable if the solution is no such letter.
std::unique_ptr<RewardFn> make_choice(const RewardSettings& settings);

/// 1 if all tests of the row pass behind the code of the completion, in a jail (jail.hpp); with `partial` the share of them. Not applicable
/// without tests.
std::unique_ptr<RewardFn> make_python_unit_tests(const RewardSettings& settings);

/// 1 if the program of the completion prints what each case of the row expects, in a jail; with `partial` the share of them. Not applicable
/// without cases.
std::unique_ptr<RewardFn> make_stdin_stdout(const RewardSettings& settings);

/// The prompt has a gold answer.
bool has_gold(const Prompt& prompt);
/// The completion's final answer is the gold one, by math_verify's rules.
bool is_right(MathGold& gold, const Completion& completion);

/// A reward that compares completions with the prompt's gold answer, which is read once for the group; not applicable without one. `mode` as
/// RewardFn::mode(), or null for that.
std::unique_ptr<RewardFn> make_gold_reward(std::string name, std::function<Reward(MathGold&, const Completion&)> score,
                                           std::function<std::string(const Completion&)> mode = nullptr);

/// make_reward() with RewardFn::mode() as a function, too.
std::unique_ptr<RewardFn> make_reward_with_mode(std::string name, std::function<Reward(const Prompt&, const Completion&)> score,
                                                std::function<std::string(const Completion&)> mode);

}  // namespace grpo::detail
