/// The parts of cross_check(), by theme. For validate*.cpp alone.
#pragma once

#include "libgrpo/config/validate.hpp"

#include <vector>

namespace grpo {

using Problems = std::vector<Problem>;

/// The GRPO family: the KL controller, clips, the entropy controller, the sampler's correction, the reference model.
void check_objective(const Recipe& recipe, Problems& problems);

/// MaxEnt-GRPO: targets, tau and its courses, what the parts of an objective need.
void check_maxent(const Recipe& recipe, Problems& problems);

/// Addresses of generation servers.
void check_server(const Recipe& recipe, Problems& problems);

/// Names on the Hugging Face Hub.
void check_hub(const Recipe& recipe, Problems& problems);

}  // namespace grpo
