/// The model card of a run's models.
#pragma once

#include "libgrpo/assemble/assembly.hpp"

#include <cstdint>
#include <filesystem>

namespace grpo {

/// README.md, and beside it the curves where metrics.jsonl has any, for the model that the run had after `step`.
/// throws: Error{backend} if they cannot be written. cost: one pass over metrics.jsonl
void write_model_card(const std::filesystem::path& folder, const Assembly& assembly, std::int64_t step);

}  // namespace grpo
