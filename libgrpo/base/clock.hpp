/// Wall-clock seconds for phase timers. Monotonic, so clock jumps never show up in metrics.
#pragma once

#include <chrono>

namespace grpo {

class Stopwatch {
 public:
  Stopwatch() : start_(Clock::now()) {}
  /// unit: seconds since construction
  [[nodiscard]] double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_;
};

}  // namespace grpo
