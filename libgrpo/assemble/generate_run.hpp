/// Completions of one prompt, as grpo_generate offers them: the prompt as given or as a question in the recipe's
/// conversation; text for people, streamed where one watches, or one JSON object per completion.
#pragma once

#include "libgrpo/config/field.hpp"
#include "libgrpo/config/recipe.hpp"

#include <istream>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

namespace grpo {

/// What the app is told besides the recipe. Exactly one of prompt and chat.
struct GenerateOptions {
  std::optional<std::string> prompt;  ///< read as it is; "-": all of `in`
  std::optional<std::string> chat;    ///< put through system prompt, worked examples and chat template; "-": all of `in`
  std::int64_t n = 1;
  std::optional<double> temperature;  ///< unset: the recipe's; 0: greedy, which a recipe of training does not allow
  bool json = false;
};

/// The own options of the app. `options` must outlive them.
std::vector<Field> generate_fields(GenerateOptions& options);

struct GenerateConsole {
  std::istream& in;
  std::ostream& out;
  bool live = false;     ///< a terminal: one completion appears as it grows, control characters are made harmless
  bool dry_run = false;  ///< show the prompt the model would see, and stop
};

/// JSON: {"text","token_ids","logprobs","finish_reason","prompt_token_ids"}, log-probs in nats before
/// top-k/top-p/min-p. throws: Error{recipe} unless there is one prompt, Error{data} on anything wrong with the model or
/// a prompt too long
void run_generate(const Recipe& recipe, const GenerateOptions& options, const GenerateConsole& console);

}  // namespace grpo
