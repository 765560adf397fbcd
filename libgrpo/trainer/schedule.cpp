#include "libgrpo/trainer/schedule.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace grpo {

double schedule_factor(SchedulerType type, std::int64_t step, std::int64_t warmup_steps, std::int64_t total) {
  if (type == SchedulerType::constant) return 1.0;
  if (step < warmup_steps) return static_cast<double>(step) / static_cast<double>(std::max<std::int64_t>(1, warmup_steps));
  if (type == SchedulerType::constant_with_warmup) return 1.0;
  const double progress = static_cast<double>(step - warmup_steps) / static_cast<double>(std::max<std::int64_t>(1, total - warmup_steps));
  if (type == SchedulerType::linear) return std::max(0.0, 1.0 - progress);
  return std::max(0.0, 0.5 * (1.0 + std::cos(std::numbers::pi * progress)));
}

std::int64_t warmup_length(const OptimizerOptions& options, std::int64_t total) {
  if (options.warmup_steps > 0) return options.warmup_steps;
  return static_cast<std::int64_t>(std::ceil(options.warmup_ratio * static_cast<double>(total)));
}

}  // namespace grpo
