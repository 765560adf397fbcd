/// Where completions come from: prompts in, groups with behaviour log-probs out.
#pragma once

#include "libgrpo/policy/policy.hpp"
#include "libgrpo/types/group.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace grpo {

/// How to sample. temperature 0 is greedy (log-probs are then those of temperature 1).
struct SamplingParams {
  std::int64_t num_generations = 8;
  std::int64_t max_completion_length = 512;
  std::int64_t min_completion_length = 0;  ///< end tokens are not drawn before this many tokens
  double temperature = 1.0;
  double top_p = 1.0;
  std::int64_t top_k = 0;  ///< 0: off
  double min_p = 0.0;      ///< keep tokens at least this share as likely as the likeliest
  /// A completion ends, by itself and not truncated, with the token whose text completes one of these; the text is kept.
  std::vector<std::string> stop_sequences;
  std::uint64_t seed = 42;  ///< draws depend on (seed, prompt id, sample, position) alone
  /// Called as tokens appear, from the calling thread: group index, sample index, token.
  std::function<void(std::size_t, std::size_t, std::int32_t)> on_token;
  /// Called, one call at a time, when all completions of a group have ended, texts included, while others may still grow: group
  /// index, the group. A sampler need not call it.
  std::function<void(std::size_t, const Group&)> on_group;
};

class Sampler {
 public:
  virtual ~Sampler() = default;

  /// One group per prompt, in order, each with params.num_generations completions of 1 to max_completion_length tokens.
  /// The same prompt and seed draw the same completion whatever else is in the batch.
  /// throws: Error{data} if a prompt leaves no room in the model's context; Error{backend} if a server fails
  [[nodiscard]] virtual std::vector<Group> generate(const std::vector<Prompt>& prompts, const SamplingParams& params) = 0;

  /// Whether the log-probs it reports are the ones the policy itself would compute (up to rounding): same weights, same
  /// arithmetic. If not, the trainer computes its own and may correct for the difference.
  [[nodiscard]] virtual bool exact_log_probs() const { return false; }

  /// How often since its start, on this rank, it met what a run's log should tell: names as in metrics.jsonl.
  [[nodiscard]] virtual std::map<std::string, double> counts() const { return {}; }

  /// Makes the policy's weights, those after `version` updates, the ones that sample next; all ranks call it together, and before
  /// the first generate(). Nothing happens if the sampler has that version. cost: nothing where weights are shared
  /// throws: Error{backend} if a server does not take them
  virtual void refresh(const Policy& policy, std::int64_t version) = 0;
};

}  // namespace grpo
