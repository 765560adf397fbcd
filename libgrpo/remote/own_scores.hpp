/// What the policy in this process says of tokens that a server drew.
#pragma once

#include "libgrpo/policy/policy.hpp"
#include "libgrpo/types/group.hpp"

#include <vector>

namespace grpo::remote {

/// Fills in the log-probs of completions that came without (log_probs is empty). temperature 0 counts as 1.
/// cost: one forward over the groups that hold such completions   thread: not while the policy trains
void score_missing(const Scorer& policy, std::vector<Group>& groups, double temperature);

/// The largest |log-prob of the server - log-prob of the policy| over a group's tokens.
double largest_difference(const Scorer& policy, const Group& group, double temperature);

}  // namespace grpo::remote
