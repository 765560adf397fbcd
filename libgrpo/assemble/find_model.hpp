/// Where a model is: a path, a repository in the Hugging Face cache, or one that `hf download` fetches into it.
#pragma once

#include "libgrpo/config/recipe.hpp"

#include <filesystem>
#include <optional>
#include <string>

namespace grpo {

/// A path that exists, lies in a folder that does, or names a .gguf file is taken as it is. Else a repository id is looked up in the cache, and if it is not there fetched by the
/// user's own `hf` program, whose output goes to stderr as it comes (HF_HUB_OFFLINE=1: never).
/// throws: Error{data} saying what was tried and what to do
std::filesystem::path find_model(const std::string& name, const std::string& revision);

/// Where the parts of a model are. A folder of adapters (PEFT) names the model that they are for.
struct ModelPlace {
  std::filesystem::path weights;  ///< configuration and weights: a folder or a .gguf file
  std::filesystem::path text;     ///< tokenizer and chat template
  std::optional<std::filesystem::path> adapters;
};

/// What find_model finds; for a folder of adapters also the model they are for. throws: as find_model
ModelPlace locate_model(const std::string& name, const std::string& revision);

/// model_name_or_path of a recipe.
ModelPlace model_place(const Recipe& recipe);
/// Weights of a checkpoint, or the recipe's model with the adapters of the checkpoint.
ModelPlace checkpoint_place(const Recipe& recipe, const std::filesystem::path& checkpoint);
/// reference_model_name_or_path, or the model itself.
ModelPlace reference_place(const Recipe& recipe);

}  // namespace grpo
