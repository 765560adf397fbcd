/// Where the time of a run went, phase by phase: the table that --profile prints.
///
/// Seconds are the trainer's own (StepReport::phases). What a step spent outside its named phases is the line "other"; what
/// passed between steps (evaluation, checkpoints, logs) is the line "between steps". It measures nothing itself.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace grpo {

/// Tokens of one step's groups.
struct StepTokens {
  double sampled = 0.0;  ///< of completions
  double packed = 0.0;   ///< of completions, and of each prompt once
};

class Profile {
 public:
  /// `phases`: name and seconds; `seconds`: the whole step
  void add(const std::vector<std::pair<std::string, double>>& phases, double seconds, const StepTokens& tokens);
  /// One line per phase in the order phases first ran: seconds per step, share of all, tokens per second (sampled ones for
  /// "sample", packed ones for "train", "score" and "reference", whether or not a group's gradient could be left out).
  /// `wall`: seconds from the first step's start to now; `peak_bytes`: see peak_resident_bytes(). Empty before the first step.
  [[nodiscard]] std::string table(double wall, double peak_bytes) const;

 private:
  std::vector<std::pair<std::string, double>> phases_;
  double seconds_ = 0.0;
  StepTokens tokens_;
  int steps_ = 0;
};

}  // namespace grpo
