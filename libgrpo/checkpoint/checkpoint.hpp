/// Saved runs: output_dir/checkpoint-N is a Hugging Face model folder plus what a run needs to go on.
///
///     config.json generation_config.json model.safetensors tokenizer.json ...   what transformers loads
///     optimizer.safetensors trainer_state.json recipe.resolved.toml             what resuming reads
///     reference.safetensors    a reference that has moved        rollout.jsonl    a generation batch not used up
///     finished.jsonl           groups that a step had finished when a signal stopped it while it sampled
///     prompts.safetensors      the account of the epoch's prompts (prompt_account.hpp)
///     manifest.json                                                             written last: sizes and checksums (manifest.hpp)
///
/// A checkpoint appears whole or not at all: it is written into a hidden folder, flushed to disk, and renamed; it goes likewise. Several ranks that share
/// the optimizer's state (zero_stage) write a file of it each (optimizer_shards.hpp), into the same folder.
#pragma once

#include "libgrpo/base/log.hpp"
#include "libgrpo/checkpoint/manifest.hpp"
#include "libgrpo/policy/policy.hpp"
#include "libgrpo/policy/tensor_file.hpp"
#include "libgrpo/text/tokenizer.hpp"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace grpo {

/// trainer_state.json.
struct RunState {
  std::int64_t step = 0;
  std::int64_t optimizer_steps = 0;
  std::int64_t tokens_seen = 0;
  std::int64_t bad_steps = 0;
  std::int64_t max_steps = 0;
  double epoch = 0.0;
  std::uint64_t seed = 0;
  std::uint64_t prompts_drawn = 0;
  std::int64_t updates_done = 0;
  std::string objective_state = "{}";
};

/// What is written beside the model.
struct CheckpointContents {
  const Policy& policy;
  const Tokenizer& tokenizer;
  NamedTensors optimizer;
  RunState state;
  std::string recipe_toml;
  NamedTensors reference = {};     ///< empty: as the recipe names it
  std::string rollout = {};        ///< JSON lines (saved_groups.hpp); empty: the next step samples
  std::string finished = {};       ///< JSON lines (preemption.hpp); empty: there are none
  std::string chat_template = {};  ///< in place of the model's own; empty: that
  NamedTensors prompts = {};       ///< prompt_account.hpp; empty: there is no account
};

/// The hidden folder of a checkpoint, emptied; those that killed saves left are removed. throws: Error{backend}, as all below that write
std::filesystem::path begin_checkpoint(const std::filesystem::path& output_dir, std::int64_t step);
/// All files but the manifest into the hidden folder; of several ranks, `optimizer` goes into the file of rank 0.
void write_checkpoint(const std::filesystem::path& partial, const CheckpointContents& contents, int ranks = 1);
/// Manifest, flush and rename, when all files are there. Returns output_dir/checkpoint-<step>; an existing one is replaced.
std::filesystem::path finish_checkpoint(const std::filesystem::path& partial, std::int64_t step);

/// The three in one. Writes output_dir/checkpoint-<step> and returns it. An existing one of that step is replaced.
/// throws: Error{backend} with path and reason (disk full, read-only); earlier checkpoints are untouched then
std::filesystem::path save_checkpoint(const std::filesystem::path& output_dir, const CheckpointContents& contents);

/// Writes the model alone, flat into `folder`, each file by rename. Weight files of an earlier save that this model has not
/// (shards, say) are removed; files that are no model's stay.
/// chat_template: in place of the model's own; empty: that
void save_model(const std::filesystem::path& folder, const Policy& policy, const Tokenizer& tokenizer,
                const std::string& chat_template = {});

/// The complete checkpoint with the highest step, if any. An incomplete or damaged one is skipped with a warning
/// that names the file and what is wrong with it (manifest.hpp). cost: reads all files of the checkpoints it looks at
std::optional<std::filesystem::path> last_checkpoint(const std::filesystem::path& output_dir, const Log& log);

/// `prompts_per_step`: what a checkpoint of an earlier version, which does not say how many prompts were drawn, drew per step.
/// throws: Error{data} naming file and field
RunState load_run_state(const std::filesystem::path& checkpoint, std::uint64_t prompts_per_step = 0);
/// Empty if the checkpoint has none. throws: Error{data}
NamedTensors load_reference(const std::filesystem::path& checkpoint);
NamedTensors load_prompt_account(const std::filesystem::path& checkpoint);
/// The path of rollout.jsonl, of finished.jsonl; nothing if the checkpoint has none.
std::optional<std::filesystem::path> rollout_file(const std::filesystem::path& checkpoint);
std::optional<std::filesystem::path> finished_file(const std::filesystem::path& checkpoint);

/// Removes the oldest checkpoints until at most `keep` are left. Those of steps behind `newest`, the one saved last, are of a course that was
/// left (damaged, or of an earlier run), and go first.
void rotate_checkpoints(const std::filesystem::path& output_dir, std::int64_t newest, std::int64_t keep, const Log& log);

}  // namespace grpo
