/// The expressions of a Countdown question. Internal to data/.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace grpo::detail {

/// Every whole number above 0 that + - * / and brackets make of all of `numbers`, each used once -> the canonical keys of the ways to it.
/// Two expressions have one key if they differ in the order and the brackets of sums and of products alone: a - b + c and (c + a) - b do,
/// and a / b * c and a * c / b. Sums are flattened into signed terms, products into factors and divisors, both sorted.
/// Arithmetic is exact. cost: at most 4 numbers: milliseconds
std::map<std::int64_t, std::vector<std::string>> countdown_keys(const std::vector<std::int64_t>& numbers);

}  // namespace grpo::detail
