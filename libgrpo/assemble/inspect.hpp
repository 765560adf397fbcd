/// What the trainer really sees: tokens, prompts, log-probs, checkpoints. The work behind grpo_inspect.
///
/// JSON lines come from `in`; `name` is what messages call it ("standard input", a file). A line that does not read is
/// Error{data} "<name>:<line>: why", after the answers to the lines before it.
#pragma once

#include "libgrpo/config/recipe.hpp"

#include <cstdint>
#include <filesystem>
#include <istream>
#include <ostream>
#include <string>

namespace grpo {

/// {"text": "..."} -> {"ids": [...]}, as the tokenizer reads it: special tokens in the text are recognised, none are
/// added.
void inspect_tokens(const Recipe& recipe, std::istream& in, const std::string& name, std::ostream& out);

/// The first `rows` training prompts in the order of the dataset, after system prompt, worked examples and chat
/// template. For people, or (`json`) one object per prompt: {"source","text","ids","solution"}. throws: Error{data} as
/// training would
void inspect_prompts(const Recipe& recipe, std::int64_t rows, bool json, std::ostream& out);

/// {"prompt_ids": [...], "completion_ids": [...]} -> {"logprobs": [...], "entropies": [...]}, nats, of
/// softmax(logits / temperature): what the trainer would score. The prompt has at least one id; the completion may have
/// none.
void inspect_logprobs(const Recipe& recipe, std::istream& in, const std::string& name, std::ostream& out);

/// One step replayed from saved groups (saved_groups.hpp): what the recipe's objective makes of them under its model, nothing
/// sampled, nothing updated. One JSON object: {"loss","grad_norm","groups","completions","tokens","advantages" or "weights" (one
/// list per group),"metrics"}. reward_funcs and reward_weights of the recipe say which of the saved rewards count, and how much.
/// Without old_logprobs in the file the model counts as the one that sampled; without ref_logprobs the reference is scored.
/// throws: Error{data} naming file and line
void inspect_loss(const Recipe& recipe, std::istream& in, const std::string& name, std::ostream& out);

/// A checkpoint (manifest, step, files, damage if any), a model folder or .gguf file (sizes, tensor types), or an
/// output_dir (its checkpoints, and the model if it is finished). Returns false if a checkpoint is damaged. throws:
/// Error{data} if it is none of these, or a model does not read
bool inspect_checkpoint(const std::filesystem::path& path, bool json, std::ostream& out);

}  // namespace grpo
