/// Who takes what: shares of work among ranks, so that none waits long for another.
///
/// Longest first, each to the rank with the least so far (Graham 1969, "Bounds on multiprocessing timing anomalies", section 2):
/// at worst 4/3 of the best possible. Every rank computes the same answer, so nothing is sent.
#pragma once

#include <cstdint>
#include <vector>

namespace grpo {

/// costs: of each piece, any unit, >= 0   returns: the rank of each piece, 0 to ranks - 1
std::vector<int> deal(const std::vector<std::int64_t>& costs, int ranks);

}  // namespace grpo
