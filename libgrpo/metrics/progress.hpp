/// What a person sees of a run while it goes: a block that is redrawn in place on a terminal (live_block.hpp), plain lines where
/// output is piped (here).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

namespace grpo {

/// A finished step, as far as progress shows it.
struct ProgressStep {
  std::int64_t step = 0;
  std::map<std::string, double> metrics;
  std::vector<std::pair<std::string, double>> phases;  ///< seconds
  double seconds = 0.0;
  double sampled_tokens = 0.0, packed_tokens = 0.0;  ///< of completions; with each prompt once
  double memory_bytes = 0.0;                         ///< 0: not known
  std::int64_t checkpoint_step = -1;                 ///< -1: there is none
  double checkpoint_age = 0.0;                       ///< seconds
};

class Progress {
 public:
  virtual ~Progress() = default;
  virtual void step(const ProgressStep& step) = 0;
  /// A phase of the step that is under way begins.
  virtual void phase(const std::string& /*name*/) {}
  /// Leaves what is shown where it is, so that other text starts on a fresh line.
  virtual void finish() {}
  /// Runs `print`, which writes whole lines to where progress is shown, so that the two do not mix.
  virtual void say(const std::function<void()>& print) { print(); }
};

/// One line per step: step, reward, KL, entropy, length, tokens/s, seconds, ETA.
class ProgressLine final : public Progress {
 public:
  ProgressLine(std::ostream& out, std::int64_t total_steps) : out_(out), total_steps_(total_steps) {}
  void step(const ProgressStep& step) override;

 private:
  std::ostream& out_;
  std::int64_t total_steps_;
  std::int64_t first_step_ = -1;
  double seconds_ = 0.0;
};

/// The last `width` values as blocks of eight heights, lowest to highest.
std::string sparkline(const std::vector<double>& values, std::size_t width);
/// "1h02m", "3m07s", "12s"
std::string show_duration(double seconds);
/// "1.4 GB", "98.4 MB"; powers of 1000
std::string show_bytes(double bytes);

}  // namespace grpo
