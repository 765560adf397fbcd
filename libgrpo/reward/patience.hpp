/// When to stop waiting for a verifier that is down. Internal to reward/.
///
/// Each verdict has its limit of time, but a batch has hundreds of verdicts, and ranks wait for the slowest. After so many limits' worth of
/// seconds lost in a row, without one answer in between, the rest fails at once for a while; then one is tried again.
#pragma once

#include <chrono>
#include <mutex>
#include <optional>
#include <string>

namespace grpo::detail {

class Patience {
 public:
  using Clock = std::chrono::steady_clock;
  /// `limit`: seconds of one try
  explicit Patience(double limit)
      : most_(kTries * limit), pause_(std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(kTries * limit))) {}

  /// Why nothing is to be tried now; nothing where it is.
  [[nodiscard]] std::optional<std::string> lost() {
    const std::lock_guard lock(mutex_);
    if (seconds_ <= most_ || Clock::now() >= again_) return std::nullopt;
    return "not tried: " + std::to_string(static_cast<int>(seconds_)) + " s were lost in a row before; the latest: " + why_;
  }
  void answered() {
    const std::lock_guard lock(mutex_);
    seconds_ = 0.0;
  }
  void failed(double seconds, const std::string& why) {
    const std::lock_guard lock(mutex_);
    seconds_ += seconds;
    why_ = why;
    again_ = Clock::now() + pause_;
  }

 private:
  static constexpr double kTries = 10.0;
  std::mutex mutex_;
  double most_, seconds_ = 0.0;
  std::string why_;
  Clock::duration pause_;
  Clock::time_point again_;
};

}  // namespace grpo::detail
