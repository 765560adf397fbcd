/// A place that metrics go to.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace grpo {

class MetricsSink {
 public:
  virtual ~MetricsSink() = default;
  /// A line of metrics.jsonl; keys that begin with "eval_" make it an evaluation's.
  virtual void write(std::int64_t step, const std::map<std::string, double>& values) = 0;
};

}  // namespace grpo
