/// What guessing alone would score: the control that says whether a figure means anything.
///
/// Who guesses knows the kind of answer but has not read the question:
///   countdown        the numbers in a random order, joined by random operations in random brackets
///   graph_colouring  a random colour for every open vertex
///   a row with a column "answers" (a list)   one of the answers of another question
///   anything else    the gold answer of another question
/// The guess is written as the verifier wants it: of \boxed{}, <answer> tags and the like the first form in which it finds the gold
/// answers of the questions themselves right.
#pragma once

#include "libgrpo/eval/answered.hpp"
#include "libgrpo/reward/reward_fn.hpp"
#include "libgrpo/types/prompt.hpp"

#include <cstdint>
#include <optional>
#include <vector>

namespace grpo {

/// `n` guesses for each question, scored by `rewards`; Answer::tokens are 0. Nothing if no form of guess can be right (a verifier
/// that does not look at the answer, say), or there are fewer than two questions. The same seed guesses alike.
std::optional<std::vector<AnsweredQuestion>> random_guess(const std::vector<Prompt>& prompts, const RewardSet& rewards, std::int64_t n,
                                                          std::uint64_t seed);

}  // namespace grpo
