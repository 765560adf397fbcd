/// Learning rate over a run: linear warm-up from 0, then constant, linear to 0 or half a cosine to 0.
/// Source: transformers' get_{linear,cosine,constant}_schedule*. `constant` has no warm-up there and here.
#pragma once

#include "libgrpo/config/recipe.hpp"

#include <cstdint>

namespace grpo {

/// Factor in [0, 1] for optimizer step `step` (0-based) of `total`.
double schedule_factor(SchedulerType type, std::int64_t step, std::int64_t warmup_steps, std::int64_t total);

/// Warm-up steps of a recipe: warmup_steps if above 0, else ceil(warmup_ratio * total).
std::int64_t warmup_length(const OptimizerOptions& options, std::int64_t total);

}  // namespace grpo
