/// Counters and histograms of a server, as Prometheus reads them (text format 0.0.4).
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>

namespace grpo::serve {

struct EngineStatus;

/// Cumulative counts of values up to fixed bounds, in seconds.
class Histogram {
 public:
  static constexpr std::array<double, 12> kBounds = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 120.0};
  void add(double seconds);
  [[nodiscard]] std::string text(const std::string& name, const std::string& help) const;

 private:
  std::array<std::int64_t, kBounds.size()> counts_ = {};
  std::int64_t count_ = 0;
  double sum_ = 0.0;
};

/// thread: all members from any thread
class ServeMetrics {
 public:
  void count_reply(const std::string& path, int status);
  /// `first` and `whole`: seconds until the first token and until the end.
  void count_generation(std::int64_t prompt_tokens, double first, double whole);
  void count_weights();
  [[nodiscard]] std::string text(const EngineStatus& engine) const;

 private:
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, int>, std::int64_t> replies_;
  std::int64_t prompt_tokens_ = 0, weight_changes_ = 0;
  Histogram first_, whole_;
};

}  // namespace grpo::serve
