/// Which repository of the Hugging Face Hub a recipe's uploads go to.
#pragma once

#include "libgrpo/config/recipe.hpp"

#include <string>

namespace grpo {

/// hub_model_id; unset: the last part of output_dir, which the user's own space then holds.
std::string hub_repo(const Recipe& recipe);

}  // namespace grpo
