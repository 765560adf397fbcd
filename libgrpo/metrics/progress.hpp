/// What a person sees of a run: one live line on a terminal, plain lines where output is piped.
#pragma once

#include <cstdint>
#include <map>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

namespace grpo {

/// One line per step: step, reward (with a sparkline on a terminal), KL, entropy, length, tokens/s, seconds, ETA.
class ProgressLine {
 public:
  /// `live` redraws one line in place; otherwise each step gets a line of its own.
  ProgressLine(std::ostream& out, bool live, std::int64_t total_steps);

  void step(std::int64_t step, const std::map<std::string, double>& metrics, double seconds, double tokens);
  /// Ends the live line, so that other text starts on a fresh one.
  void finish();

 private:
  std::ostream& out_;
  bool live_;
  std::int64_t total_steps_;
  std::int64_t first_step_ = 0;
  double seconds_ = 0.0;
  std::vector<double> rewards_;
  bool open_ = false;
};

/// "1h02m", "3m07s", "12s"
std::string show_duration(double seconds);
/// "1.4 GB", "98.4 MB"; powers of 1000
std::string show_bytes(double bytes);

}  // namespace grpo
