/// Checks that no single option can make: what options must be to each other.
#pragma once

#include "libgrpo/config/recipe.hpp"

#include <string>
#include <vector>

namespace grpo {

struct Problem {
  std::vector<std::string> names;  ///< the options involved; the first one is the one to change
  std::string message;
};

/// Everything wrong between options; empty if the recipe can run. Ranges of single options are not looked at.
std::vector<Problem> cross_check(const Recipe& recipe);

/// Ranges and cross-checks of a recipe that was filled in by code rather than loaded.
/// throws: Error{recipe} with one line per problem
void validate(const Recipe& recipe);

}  // namespace grpo
