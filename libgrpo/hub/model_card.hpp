/// README.md of a trained model: the head that the Hugging Face Hub reads, and what was trained, how, and how it went.
/// Source: the Hub's documentation, "Model cards" (base_model, license, datasets, tags, library_name, pipeline_tag).
#pragma once

#include "libgrpo/config/recipe.hpp"
#include "libgrpo/hub/base_card.hpp"
#include "libgrpo/hub/run_record.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace grpo {

inline constexpr const char* kCurvesFile = "training_curves.svg";

/// What the card is written from.
struct ModelCard {
  std::string name;
  std::string objective;  ///< in words
  std::int64_t step = 0, total_steps = 0, prompts_per_step = 0, parameters = 0;
  int ranks = 1, threads = 1;
  double peak_bytes = 0.0;
  BaseCard base;
  std::string recipe_toml;
  RunRecord record;
};

/// Metrics that the card shows, and their titles.
const std::vector<std::pair<std::string, std::string>>& card_curves();

/// Names that are no repository of the Hub (paths, built-in tasks) are left out of the head.
std::string write_card(const ModelCard& card, const Recipe& recipe);

/// BibTeX of the algorithms that the recipe uses, and of the library.
std::string citations(const Recipe& recipe);

}  // namespace grpo
