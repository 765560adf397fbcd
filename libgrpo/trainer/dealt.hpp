/// A step's work dealt to the ranks, and put together again so that every rank knows all of it.
///
/// Prompts are dealt before sampling, whole: a group lives on one rank. Once completions and rewards are known to all, groups are
/// dealt again by their tokens, for each pass anew. Every rank computes the same deals and the same credit.
#pragma once

#include "libgrpo/dist/world.hpp"
#include "libgrpo/trainer/passes.hpp"
#include "libgrpo/trainer/rollouts.hpp"

#include <functional>
#include <vector>

namespace grpo {

/// Samples this rank's share of the prompts and scores it, groups that are finished beside the sampling of the others: phase "reward" is
/// what is left to wait for. returns: the groups of all prompts, in order, with their rewards
/// throws: StepStopped with all ranks' finished groups, if the sampler of any rank was stopped
/// cost: completions are sent to all ranks, about 16 bytes a token
ScoredGroups sample_and_score(World& world, Sampler& sampler, const RewardSet& reward, const std::vector<Prompt>& prompts,
                              const SamplingParams& params, Phases& phases);

/// active: [N], or empty for all   returns: [N], those of them that are this rank's, groups whole
std::vector<bool> own_completions(const World& world, const Batch& batch, const std::vector<bool>& active);

/// score_batch(), each rank its own completions. What no rank scored is 0. cost: 8 bytes a token are summed over the ranks
/// `behind_passes`: called between this rank's passes and the sum; may be empty
TokenScores score_dealt(World& world, const Scorer& scorer, const Batch& batch, const PassOptions& options,
                        const std::vector<bool>& active = {}, const std::function<void()>& behind_passes = {});

/// The meters of all ranks together, the same on each.
Meters merge_meters(World& world, const Meters& mine);

}  // namespace grpo
