/// Groups with their rewards as JSON lines: what log_completions writes, what a checkpoint keeps of a generation batch in use,
/// and what grpo_inspect loss replays under any objective.
///
///     {"prompt_ids": [1, 2], "completions": [{"ids": [3, 4], "rewards": {"format": 1.0}, "truncated": false,
///       "old_logprobs": [-0.1, -2.3], "ref_logprobs": [...], "sampling_logprobs": [...], "entropies": [...]}]}
///
/// A reward is a number, null (not applicable) or {"failed": "why"}. Only prompt_ids, ids and rewards must be there; further keys
/// ("text", "prompt", "solution", "advantage", ...) are for people. Numbers read back exactly.
#pragma once

#include "libgrpo/types/group.hpp"
#include "libgrpo/types/reward.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace grpo {

struct SavedGroups {
  std::vector<Group> groups;         ///< Completion::log_probs are the sampler's, or 0 if the file has none
  RewardTable rewards;               ///< columns and weights as given to the reader
  std::vector<double> coefficients;  ///< [N] or empty; written, not read
  std::vector<float> ref_log_probs;  ///< [T] or empty
  std::vector<float> old_log_probs;  ///< [T] or empty: of the policy that sampled, where they are not the sampler's own
};

/// One line per group, with its step.
std::string to_json_lines(const SavedGroups& saved, std::int64_t step);

/// Reads line by line. All completions of a file have the same optional keys.
class SavedGroupsReader {
 public:
  /// `rewards`: the columns, without verdicts. Ids must lie below vocab_size, a prompt with a completion within context_length.
  SavedGroupsReader(RewardTable rewards, std::int64_t vocab_size, std::int64_t context_length);

  /// throws: Error{data} saying what is wrong, without file and line
  void read(std::string_view line);
  /// Whether the file has old_logprobs; without them the policy at hand counts as the one that sampled.
  [[nodiscard]] bool has_old_log_probs() const { return old_log_probs_ == Presence::yes; }
  [[nodiscard]] const SavedGroups& saved() const { return saved_; }

 private:
  enum class Presence { unknown, no, yes };
  struct Line;
  SavedGroups saved_;
  std::int64_t vocab_size_, context_length_;
  Presence old_log_probs_ = Presence::unknown, ref_log_probs_ = Presence::unknown, sampling_log_probs_ = Presence::unknown;
};

}  // namespace grpo
