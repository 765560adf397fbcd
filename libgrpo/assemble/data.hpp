/// Recipe -> prompt sources.
#pragma once

#include "libgrpo/config/recipe.hpp"
#include "libgrpo/data/prompt_set.hpp"
#include "libgrpo/text/chat_template.hpp"

#include <memory>
#include <optional>

namespace grpo {

/// The training rows: dataset_name, or the mixture. throws: Error{recipe}, Error{data}
std::unique_ptr<PromptSource> open_train_source(const Recipe& recipe);

/// The evaluation rows: eval_dataset_name; for sums without one, the held-out sums; otherwise none (null).
std::unique_ptr<PromptSource> open_eval_source(const Recipe& recipe);

/// The template of chat_template: a path, the text itself, "none" (nothing), or unset: the model's own, nothing if it has none.
std::optional<ChatTemplate> open_chat_template(const Recipe& recipe);

}  // namespace grpo
