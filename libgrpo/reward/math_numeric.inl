/// Whether two trees have the same numeric value, to 42 of 50 digits. Internal to reward/.
///
/// The second way, for what has no exact form here: nested roots, logarithms, trigonometry. Symbols take fixed values, one of them
/// negative, and both trees must agree at all of them, over the complex numbers with principal branches (odd roots of negative numbers are
/// real). It is no proof, so it is bounded: few digits, few nodes, no value between zero and 10^-12 or above 10^12 on the way. Outside the
/// bounds nothing is said to be the same.
#pragma once

#include "libgrpo/reward/math_tree.inl"

namespace grpo::math {

/// cost: up to 1 ms
bool same_number(const Node& a, const Node& b);

}  // namespace grpo::math
