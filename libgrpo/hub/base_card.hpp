/// What a model's own files say of its licence and its name.
#pragma once

#include <filesystem>
#include <string>

namespace grpo {

/// Empty where nothing is said. `licence` is the Hub's short name ("apache-2.0"); name and link belong to "other".
struct BaseCard {
  std::string licence, licence_name, licence_link;
  std::string repo;  ///< org/name that a GGUF file says it was made of
};

/// `model`: a Hugging Face folder (the head of README.md) or a .gguf file (general.license and its companions). Files that do not read say
/// nothing: a card is prose first. Source: the Hub's documentation, "Model cards"; the GGUF specification.
BaseCard read_base_card(const std::filesystem::path& model);

}  // namespace grpo
