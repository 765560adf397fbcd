/// Recipe -> prompt sources.
#pragma once

#include "libgrpo/config/recipe.hpp"
#include "libgrpo/data/prompt_set.hpp"
#include "libgrpo/text/chat_template.hpp"

#include <memory>
#include <optional>

namespace grpo {

/// What a run reads. Both sides of a mixture come out of the same open files.
struct RunSources {
  std::unique_ptr<PromptSource> train;
  std::unique_ptr<PromptSource> eval;  ///< null: nothing to evaluate on, or not asked for
};

/// Training rows, and evaluation rows if the run evaluates. throws: Error{recipe}, Error{data}
RunSources open_sources(const Recipe& recipe, bool evaluates);

/// The training rows alone: dataset_name, or the mixture. throws: Error{recipe}, Error{data}
std::unique_ptr<PromptSource> open_train_source(const Recipe& recipe);

/// The evaluation rows alone: eval_dataset_name; of a mixture what it holds out; of a built-in task its held-out questions; otherwise none
/// (null).
std::unique_ptr<PromptSource> open_eval_source(const Recipe& recipe);

/// The template of chat_template: a path, the text itself, "none" (nothing), or unset: the model's own, nothing if it has none.
std::optional<ChatTemplate> open_chat_template(const Recipe& recipe);

}  // namespace grpo
