/// What a chat template sees beside the messages: chat_template_kwargs of the recipe, then of the row, and the row's
/// tools. Internal to data/.
#pragma once

#include "libgrpo/data/prompt_source.hpp"
#include "libgrpo/types/prompt.hpp"

#include <string>
#include <vector>

namespace grpo::detail {

/// `kwargs` (a JSON object or "") with what the row's columns say, as one JSON object; "" if there is nothing:
/// - `tools`: a list of JSON schemas, or such a list as a JSON string; null is none
/// - `chat_template_kwargs`: an object (or one as a JSON string), each of its keys wins over the recipe's
/// throws: Error{data} if a column is something else
std::string template_variables(const std::string& kwargs, const Row& row);

/// `messages` as a JSON array; those at the end come from the row and stand as its JSON has them.
std::string messages_json(const std::vector<Message>& messages, const Row& row);

}  // namespace grpo::detail
