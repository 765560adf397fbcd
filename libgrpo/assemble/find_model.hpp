/// Where a model is: a path, a repository in the Hugging Face cache, or one that `hf download` fetches into it.
#pragma once

#include "libgrpo/config/recipe.hpp"

#include <filesystem>
#include <string>

namespace grpo {

/// A path that exists, lies in a folder that does, or names a .gguf file is taken as it is. Else a repository id is looked up in the cache, and if it is not there fetched by the
/// user's own `hf` program, whose output goes to stderr as it comes (HF_HUB_OFFLINE=1: never).
/// throws: Error{data} saying what was tried and what to do
std::filesystem::path find_model(const std::string& name, const std::string& revision);

/// model_name_or_path of a recipe.
std::filesystem::path model_path(const Recipe& recipe);
/// reference_model_name_or_path, or the model itself.
std::filesystem::path reference_path(const Recipe& recipe);

}  // namespace grpo
