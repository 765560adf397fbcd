/// Saved runs: output_dir/checkpoint-N is a Hugging Face model folder plus what a run needs to go on.
///
///     config.json generation_config.json model.safetensors tokenizer.json ...   what transformers loads
///     optimizer.safetensors trainer_state.json recipe.resolved.toml             what resuming reads
///     manifest.json                                                             written last: every file and its size
///
/// A checkpoint appears whole or not at all: it is written into a hidden folder, flushed to disk, and renamed.
#pragma once

#include "libgrpo/base/log.hpp"
#include "libgrpo/policy/policy.hpp"
#include "libgrpo/text/tokenizer.hpp"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace grpo {

using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

/// trainer_state.json.
struct RunState {
  std::int64_t step = 0;
  std::int64_t optimizer_steps = 0;
  std::int64_t tokens_seen = 0;
  std::int64_t bad_steps = 0;
  std::int64_t max_steps = 0;
  double epoch = 0.0;
  std::uint64_t seed = 0;
  std::string objective_state = "{}";
};

/// What is written beside the model.
struct CheckpointContents {
  const Policy& policy;
  const Tokenizer& tokenizer;
  NamedTensors optimizer;
  RunState state;
  std::string recipe_toml;
};

/// Writes output_dir/checkpoint-<step> and returns it. An existing one of that step is replaced.
/// throws: Error{backend} with path and reason (disk full, read-only); earlier checkpoints are untouched then
std::filesystem::path save_checkpoint(const std::filesystem::path& output_dir, const CheckpointContents& contents);

/// Writes the model alone, flat into `folder`, each file by rename.
void save_model(const std::filesystem::path& folder, const Policy& policy, const Tokenizer& tokenizer);

/// The complete checkpoint with the highest step, if any. An incomplete or damaged one is skipped with a warning.
std::optional<std::filesystem::path> last_checkpoint(const std::filesystem::path& output_dir, const Log& log);

/// Why `checkpoint` is not complete; empty if it is. cost: file sizes only
std::string checkpoint_damage(const std::filesystem::path& checkpoint);

/// throws: Error{data} naming file and field
RunState load_run_state(const std::filesystem::path& checkpoint);
NamedTensors load_optimizer_state(const std::filesystem::path& checkpoint);

/// Removes the oldest checkpoints until at most `keep` are left.
void rotate_checkpoints(const std::filesystem::path& output_dir, std::int64_t keep, const Log& log);

}  // namespace grpo
