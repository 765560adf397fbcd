/// Seconds per named phase of a step.
#pragma once

#include "libgrpo/base/clock.hpp"

#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace grpo {

class Phases {
 public:
  /// `entered`: told each phase's name as it begins; may be empty
  explicit Phases(std::function<void(const std::string&)> entered = {}) : entered_(std::move(entered)) {}

  /// Runs `work`, adds its wall time to phase `name`, and returns what it returned.
  template <class F>
  auto time(const std::string& name, F&& work) {
    if (entered_) entered_(name);
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
  std::function<void(const std::string&)> entered_;
  std::vector<std::pair<std::string, double>> seconds_;
};

}  // namespace grpo
