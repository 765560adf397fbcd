#include "libgrpo/trainer/rollouts.hpp"

#include "libgrpo/base/random.hpp"
#include "libgrpo/objective/advantages.hpp"
#include "libgrpo/trainer/dealt.hpp"
#include "libgrpo/trainer/reward_failures.hpp"

#include <cmath>
#include <utility>

namespace grpo {
namespace {

/// Appends group `g` of `from`, whose first completion is number `first`.
void append(ScoredGroups& to, const ScoredGroups& from, std::size_t g, std::size_t first) {
  const std::size_t count = from.groups[g].completions.size();
  const auto copy = [&](const auto& source, auto& target) {
    const auto begin = source.begin() + static_cast<std::ptrdiff_t>(first);
    target.insert(target.end(), begin, begin + static_cast<std::ptrdiff_t>(count));
  };
  to.groups.push_back(from.groups[g]);
  for (std::size_t c = 0; c < from.rewards.columns.size(); ++c) {
    const RewardColumn& column = from.rewards.columns[c];
    if (to.rewards.columns.size() <= c) to.rewards.columns.push_back({column.name, column.weight, {}, 0.0});
    copy(column.rewards, to.rewards.columns[c].rewards);
  }
  if (!from.rewards.modes.empty()) copy(from.rewards.modes, to.rewards.modes);
}

void add_seconds(ScoredGroups& to, const ScoredGroups& from) {
  for (std::size_t c = 0; c < to.rewards.columns.size(); ++c) to.rewards.columns[c].seconds += from.rewards.columns[c].seconds;
}

/// Whether the rewards of completions [first, first + count) that have one differ.
bool has_signal(const std::vector<double>& rewards, std::size_t first, std::size_t count) {
  double seen = std::nan("");
  for (std::size_t i = first; i < first + count; ++i) {
    if (std::isnan(rewards[i])) continue;
    if (!std::isnan(seen) && rewards[i] != seen) return true;
    seen = rewards[i];
  }
  return false;
}

}  // namespace

ScoredGroups select_groups(const ScoredGroups& from, std::size_t first, std::size_t last) {
  ScoredGroups selected;
  std::size_t completion = 0;
  for (std::size_t g = 0; g < last; ++g) {
    if (g >= first) append(selected, from, g, completion);
    completion += from.groups[g].completions.size();
  }
  if (selected.groups.size() == from.groups.size()) add_seconds(selected, from);
  selected.metrics = from.metrics;
  return selected;
}

Rollouts::Rollouts(World& world, const PromptSet& prompts, PromptOrder& order, Sampler& sampler, const RewardSet& reward,
                   RolloutOptions options)
    : world_(world), prompts_(prompts), order_(order), sampler_(sampler), reward_(reward), options_(std::move(options)) {}

/// A prompt comes back every epoch and must not meet the same random numbers again: each epoch has its own seed.
ScoredGroups Rollouts::draw(std::uint64_t& cursor, std::size_t count, Phases& phases) {
  ScoredGroups drawn;
  while (count > 0) {
    const std::uint64_t epoch = cursor / order_.prompts_per_epoch();
    std::vector<Prompt> prompts;
    phases.time("prompts", [&] {
      for (; count > 0 && cursor / order_.prompts_per_epoch() == epoch; ++cursor, --count)
        prompts.push_back(prompts_.prompt(order_.row(cursor)));
    });
    SamplingParams params = options_.sampling;
    params.seed = derive_seed(options_.seed, epoch);
    const ScoredGroups part = sample_and_score(world_, sampler_, reward_, prompts, params, phases);
    std::size_t first = 0;
    for (std::size_t g = 0; g < part.groups.size(); first += part.groups[g++].completions.size()) append(drawn, part, g, first);
    add_seconds(drawn, part);
  }
  check_failures(drawn.groups, drawn.rewards, options_.max_reward_failures);
  return drawn;
}

ScoredGroups Rollouts::next(std::uint64_t& cursor, Phases& phases) {
  std::uint64_t moved = cursor;
  ScoredGroups batch = make(moved, phases);
  cursor = moved;
  return batch;
}

ScoredGroups Rollouts::make(std::uint64_t& cursor, Phases& phases) {
  if (!options_.dynamic_sampling) return draw(cursor, options_.prompts, phases);
  ScoredGroups kept, spare;
  std::int64_t rounds = 0;
  double discarded = 0.0;
  for (;; ++rounds) {
    const ScoredGroups round = draw(cursor, options_.prompts - kept.groups.size(), phases);
    const auto rewards = total_rewards(round.rewards);
    std::size_t first = 0;
    for (std::size_t g = 0; g < round.groups.size(); ++g) {
      const std::size_t size = round.groups[g].completions.size();
      const bool teaches = has_signal(rewards, first, size);
      append(teaches ? kept : spare, round, g, first);
      discarded += teaches ? 0.0 : 1.0;
      first += size;
    }
    add_seconds(kept.groups.empty() ? spare : kept, round);
    if (kept.groups.size() == options_.prompts || rounds == options_.max_rounds) break;
  }
  std::size_t first = 0;
  for (std::size_t g = 0; kept.groups.size() < options_.prompts; ++g) {
    append(kept, spare, g, first);
    first += spare.groups[g].completions.size();
    discarded -= 1.0;
  }
  kept.metrics = {{"dynamic_sampling/rounds", static_cast<double>(rounds)}, {"dynamic_sampling/discarded_groups", discarded}};
  return kept;
}

}  // namespace grpo
