/// Seconds per named phase of a step.
#pragma once

#include "libgrpo/base/clock.hpp"

#include <string>
#include <utility>
#include <vector>

namespace grpo {

class Phases {
 public:
  /// Runs `work`, adds its wall time to phase `name`, and returns what it returned.
  template <class F>
  auto time(const std::string& name, F&& work) {
    const Timer timer{*this, name, {}};
    return std::forward<F>(work)();
  }
  /// unit: seconds, in the order phases first ran
  [[nodiscard]] const std::vector<std::pair<std::string, double>>& seconds() const { return seconds_; }

 private:
  struct Timer {
    Phases& phases;
    const std::string& name;
    Stopwatch watch;
    ~Timer() { phases.add(name, watch.seconds()); }
  };
  void add(const std::string& name, double seconds) {
    for (auto& [known, sum] : seconds_)
      if (known == name) {
        sum += seconds;
        return;
      }
    seconds_.emplace_back(name, seconds);
  }
  std::vector<std::pair<std::string, double>> seconds_;
};

}  // namespace grpo
