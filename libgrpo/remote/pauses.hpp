/// Deadlines, and the waits between attempts.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <thread>

namespace grpo::remote {

using Clock = std::chrono::steady_clock;

inline double seconds_until(Clock::time_point deadline) { return std::chrono::duration<double>(deadline - Clock::now()).count(); }

inline Clock::time_point in(double seconds) {
  return Clock::now() + std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000.0));
}

/// Sleeps before another attempt, twice as long each time, up to ten seconds.
class Pauses {
 public:
  explicit Pauses(double first) : next_(first) {}
  void pause(double least, Clock::time_point deadline) {
    std::this_thread::sleep_for(std::chrono::duration<double>(std::min(std::max(next_, least), std::max(0.0, seconds_until(deadline)))));
    next_ = std::min(2.0 * next_, kLongest);
  }

 private:
  static constexpr double kLongest = 10.0;
  double next_;
};

}  // namespace grpo::remote
