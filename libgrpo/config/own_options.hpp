/// Options that one app has besides the recipe's: `--prompt`, `--n`, `--json`.
///
/// They are Fields like any other, pointing at members of a struct of the app's, so types, ranges and help work alike.
/// On the command line an own option wins over the recipe's option of that name; in a recipe file it does not exist.
#pragma once

#include "libgrpo/config/cli.hpp"
#include "libgrpo/config/field.hpp"
#include "libgrpo/config/load.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace grpo {

/// load_recipe() for an app with own options: these are taken out of the command line and set, the rest is the
/// recipe's. throws: Error{recipe} with one line per error, own options' and the recipe's together
LoadedRecipe load_recipe(std::string_view built_in, CommandLine line, const std::vector<Field>& own);

/// help_text() with the own options in front of the recipe's. A default that is unset is not shown.
std::string help_text(const std::string& app, const std::string& what, const std::vector<Field>& own);

/// Built-in recipe of an app that needs a model but no data: `text`, and a dataset where the user names none, for a
/// recipe without one does not load.
std::string without_data(const CommandLine& line, std::string text);

/// Whether the command line names a recipe, a dataset or a mixture.
bool names_data(const CommandLine& line);

}  // namespace grpo
