/// When two short answers to a mathematical question count as the same.
///
/// The rule of maxent-grpo's reward of November 2025, so that its curves can be compared:
///   1. white space at both ends goes
///   2. braces around the whole go if none are inside: {x} -> x
///   3. parentheses around the whole go if what they hold, trimmed, is made of the characters 0-9 . - \ s q r t alone
///   4. spaces go
///   5. -0 and +0 -> 0
///   6. an integer written with zeros behind the point loses them: 3.0 -> 3, -12.00 -> -12
/// It does not know fractions, thousands separators, units or LaTeX: 1/2 and 0.5 differ, 1,000 and 1000 differ. It is
/// not idempotent: (1 2) -> (12), and that -> 12; -0.0 -> -0.
#pragma once

#include <string>
#include <string_view>

namespace grpo {

/// cost: linear
std::string canonical_math(std::string_view answer);

/// canonical_math of both is the same.
bool same_math(std::string_view answer, std::string_view gold);

}  // namespace grpo
