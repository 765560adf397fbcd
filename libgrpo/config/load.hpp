/// Reads a recipe: built-in text, then a file, then the command line; later wins.
///
/// Files are TOML (.toml) or YAML (.yaml, .yml; TRL's flat style). TOML tables only group: an option may stand in any
/// of our tables or at top level. Every error is collected and all are thrown at once, one line each, with its place:
///   recipe.toml:12: num_generationz: unknown option; did you mean num_generations?
///   command line: --learning_rate=-1: must be >= 0
#pragma once

#include "libgrpo/config/cli.hpp"
#include "libgrpo/config/recipe.hpp"

#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace grpo {

struct LoadedRecipe {
  Recipe recipe;
  std::map<std::string, std::string> origin;  ///< option -> "default", "recipe.toml:12" or "command line"; all options
  std::vector<std::string> notes;             ///< keys accepted without meaning here, one line each
};

/// built_in: TOML text of an app's own defaults, or empty; its places read "built-in recipe:3".
/// throws: Error{recipe} with one line per error
LoadedRecipe load_recipe(std::string_view built_in, const std::optional<std::filesystem::path>& config,
                         std::span<const Override> overrides);

}  // namespace grpo
