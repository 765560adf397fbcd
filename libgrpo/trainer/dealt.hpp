/// A step's work dealt to the ranks, and put together again so that every rank knows all of it.
///
/// Prompts are dealt before sampling, whole: a group lives on one rank. Once completions and rewards are known to all, groups are
/// dealt again by their tokens, for each pass anew. Every rank computes the same deals and the same credit.
#pragma once

#include "libgrpo/dist/world.hpp"
#include "libgrpo/trainer/passes.hpp"
#include "libgrpo/trainer/rollouts.hpp"

#include <vector>

namespace grpo {

/// Samples and scores this rank's share of the prompts. returns: the groups of all prompts, in order, with their rewards
/// cost: completions are sent to all ranks, about 16 bytes a token
ScoredGroups sample_and_score(World& world, Sampler& sampler, const RewardSet& reward, const std::vector<Prompt>& prompts,
                              const SamplingParams& params, Phases& phases);

/// active: [N], or empty for all   returns: [N], those of them that are this rank's, groups whole
std::vector<bool> own_completions(const World& world, const Batch& batch, const std::vector<bool>& active);

/// score_batch(), each rank its own completions. What no rank scored is 0. cost: 8 bytes a token are summed over the ranks
TokenScores score_dealt(World& world, const Scorer& scorer, const Batch& batch, const PassOptions& options, const std::vector<bool>& active = {});

/// The meters of all ranks together, the same on each.
Meters merge_meters(World& world, const Meters& mine);

}  // namespace grpo
