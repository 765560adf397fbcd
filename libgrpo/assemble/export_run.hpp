/// A model written in another form, as grpo_export offers it: one GGUF file for llama.cpp, or a Hugging Face folder.
#pragma once

#include "libgrpo/config/field.hpp"
#include "libgrpo/config/recipe.hpp"

#include <optional>
#include <ostream>
#include <string>
#include <vector>

namespace grpo {

/// What the app is told besides the recipe, whose model_name_or_path, torch_dtype and num_threads it goes by.
struct ExportOptions {
  std::optional<std::string> output;   ///< *.gguf: one file; anything else: a folder
  std::optional<std::string> outtype;  ///< f32, f16, bf16, q8_0; unset: f16
  bool overwrite = false;
};

/// The own options of the app. `options` must outlive them.
std::vector<Field> export_fields(ExportOptions& options);

/// Adapters are merged. Says on `out` what was written. `dry_run`: everything but the weights is read and checked.
/// throws: Error{recipe} for options that do not fit together or an output that is there; Error{data} for a model that does
/// not read or that GGUF has no form for; Error{backend} if it cannot be written
void run_export(const Recipe& recipe, const ExportOptions& options, bool dry_run, std::ostream& out);

}  // namespace grpo
