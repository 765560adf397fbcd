/// Questions -> answered questions, each written to a journal as soon as it is done, shared by the ranks.
#pragma once

#include "libgrpo/dist/world.hpp"
#include "libgrpo/eval/journal.hpp"
#include "libgrpo/policy/causal_lm.hpp"
#include "libgrpo/reward/reward_fn.hpp"
#include "libgrpo/sampler/sampler.hpp"
#include "libgrpo/text/tokenizer.hpp"

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace grpo {

/// Where answers are kept: <base>.jsonl of rank 0, <base>.rank1.jsonl of rank 1, ... What any of them has is not asked again, also
/// where there are now more or fewer ranks.
struct JournalPlace {
  std::filesystem::path base;
  std::string identity;  ///< EvalJournal's
};

/// What is asked, and of whom. All must outlive the call.
struct Asking {
  std::function<const CausalLm&()> model;  ///< called if there is anything to ask
  const Tokenizer& tokenizer;
  const std::vector<Prompt>& prompts;
  const SamplingParams& params;
  const RewardSet& rewards;
  std::optional<JournalPlace> journal;
  std::function<void(std::size_t)> progress;  ///< called with how many are done
};

/// All questions of a rank go into one batch, where a place that becomes free is taken by the next completion, so no question waits for a
/// slow one. Verdicts are given beside the sampling.
/// returns: in the order of the prompts, the same on all ranks
/// throws: Error{data} if a journal has other questions under these numbers; as EvalJournal; Error{numeric}, Error{backend}
std::vector<AnsweredQuestion> ask_questions(World& world, const Asking& asking);

}  // namespace grpo
