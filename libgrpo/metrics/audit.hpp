/// What the report and the watch over a run see of completions: plain copies, without tokens or tensors, so that this room needs
/// neither. libgrpo/assemble/report_hooks.cpp makes them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace grpo {

/// What a reward's values say, as far as its name tells.
enum class RewardKind { correctness, format, other };
RewardKind reward_kind(std::string_view name);
std::string_view to_string(RewardKind kind);

struct AuditColumn {
  std::string name;
  double weight = 1.0;
  RewardKind kind = RewardKind::other;
};

/// One verdict: a value, "not applicable" (neither value nor failure), or "failed: why".
struct AuditReward {
  std::optional<double> value;
  bool failed = false;
  std::string why;  ///< of a failure, or the reason of a value; may be empty
};

struct AuditCompletion {
  std::string text;                  ///< any bytes
  std::vector<AuditReward> rewards;  ///< in the order of the columns
  double total = 0.0;                ///< weighted sum of the values
  std::optional<double> advantage;   ///< or weight
  std::size_t tokens = 0;
  bool truncated = false;
  std::string mode;                                        ///< what a right answer is counted as; empty: unknown
  std::vector<float> log_probs, ref_log_probs, entropies;  ///< one per token, or empty
  std::vector<std::string> pieces;                         ///< text of each token, special ones included; empty: not known
  std::vector<std::size_t> special;                        ///< which pieces are special tokens
};

struct AuditGroup {
  std::int64_t step = 0;
  std::size_t index = 0;  ///< among the step's groups
  std::string source, prompt, question, solution;
  std::vector<AuditCompletion> completions;

  [[nodiscard]] double mean_reward() const;
  [[nodiscard]] double reward_spread() const;  ///< highest minus lowest
};

/// Whether a text says the same over and over: half of its runs of four words have been there before (24 words or more), or one
/// byte stands 64 times in a row. cost: linear
bool repeats_itself(std::string_view text);

/// "12/0/3": step, group and completion, as the report's addresses have them.
std::string audit_key(const AuditGroup& group, std::size_t completion);

}  // namespace grpo
