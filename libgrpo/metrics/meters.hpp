/// Named weighted means, and largest and smallest values, so that sums over parts and ranks can be merged and the split never shows in a metric.
#pragma once

#include <algorithm>
#include <map>
#include <string>

namespace grpo {

class Meters {
 public:
  struct Mean {
    double sum = 0.0, weight = 0.0;
  };
  /// Adds `sum` of `weight` items to the mean called `name`.
  void add(const std::string& name, double sum, double weight) {
    Mean& mean = means_[name];
    mean.sum += sum;
    mean.weight += weight;
  }
  void add_largest(const std::string& name, double value) {
    double& largest = largest_.try_emplace(name, value).first->second;
    largest = std::max(largest, value);
  }
  void add_smallest(const std::string& name, double value) {
    double& smallest = smallest_.try_emplace(name, value).first->second;
    smallest = std::min(smallest, value);
  }
  void merge(const Meters& other) {
    for (const auto& [name, mean] : other.means_) add(name, mean.sum, mean.weight);
    for (const auto& [name, value] : other.largest_) add_largest(name, value);
    for (const auto& [name, value] : other.smallest_) add_smallest(name, value);
  }
  /// Means by name, without those of no weight, and the extremes.
  [[nodiscard]] std::map<std::string, double> means() const {
    std::map<std::string, double> found;
    for (const auto& [name, mean] : means_)
      if (mean.weight > 0.0) found[name] = mean.sum / mean.weight;
    found.insert(largest_.begin(), largest_.end());
    found.insert(smallest_.begin(), smallest_.end());
    return found;
  }
  [[nodiscard]] const std::map<std::string, Mean>& sums() const { return means_; }
  [[nodiscard]] const std::map<std::string, double>& largest() const { return largest_; }
  [[nodiscard]] const std::map<std::string, double>& smallest() const { return smallest_; }

 private:
  std::map<std::string, Mean> means_;
  std::map<std::string, double> largest_, smallest_;
};

}  // namespace grpo
