/// Recipe -> objective: the one table that knows them all. A new objective is one line in objectives.cpp.
#pragma once

#include "libgrpo/config/recipe.hpp"
#include "libgrpo/objective/objective.hpp"

#include <cstdint>
#include <memory>

namespace grpo {

/// What objectives know of a run. `warmup_steps`: the learning rate's.
ObjectiveContext objective_context(const Recipe& recipe, std::int64_t vocab_size, std::int64_t warmup_steps);

std::unique_ptr<Objective> make_objective(const Recipe& recipe, const ObjectiveContext& context);

}  // namespace grpo
