/// Named weighted means, so that sums over parts and ranks can be merged and the split never shows in a metric.
#pragma once

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
  void merge(const Meters& other) {
    for (const auto& [name, mean] : other.means_) add(name, mean.sum, mean.weight);
  }
  /// Means by name; those without any weight are left out.
  [[nodiscard]] std::map<std::string, double> means() const {
    std::map<std::string, double> found;
    for (const auto& [name, mean] : means_)
      if (mean.weight > 0.0) found[name] = mean.sum / mean.weight;
    return found;
  }
  [[nodiscard]] const std::map<std::string, Mean>& sums() const { return means_; }

 private:
  std::map<std::string, Mean> means_;
};

}  // namespace grpo
