/// The resolved recipe: every option with the value it has in this run, as TOML that loads back to an equal recipe.
#pragma once

#include "libgrpo/config/load.hpp"

#include <string>

namespace grpo {

/// with_origins: each line ends in a comment that says where its value came from. Unset options are comments.
std::string to_toml(const LoadedRecipe& loaded, bool with_origins);

}  // namespace grpo
