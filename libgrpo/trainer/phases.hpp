/// Seconds per named phase of a step, and the most memory that the process had by the end of each.
#pragma once

#include "libgrpo/base/clock.hpp"
#include "libgrpo/base/peak_memory.hpp"

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
  /// unit: bytes, see peak_resident_bytes(); in the same order, by the end of each phase's last run
  [[nodiscard]] const std::vector<double>& peaks() const { return peaks_; }

 private:
  struct Timer {
    Phases& phases;
    const std::string& name;
    Stopwatch watch;
    ~Timer() { phases.add(name, watch.seconds()); }
  };
  void add(const std::string& name, double seconds) {
    std::size_t i = 0;
    while (i < seconds_.size() && seconds_[i].first != name) ++i;
    if (i == seconds_.size()) {
      seconds_.emplace_back(name, 0.0);
      peaks_.push_back(0.0);
    }
    seconds_[i].second += seconds;
    peaks_[i] = peak_resident_bytes();
  }
  std::function<void(const std::string&)> entered_;
  std::vector<std::pair<std::string, double>> seconds_;
  std::vector<double> peaks_;
};

}  // namespace grpo
