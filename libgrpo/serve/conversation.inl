#pragma once

/// A conversation -> a prompt, through the model's chat template.

#include "libgrpo/serve/body.inl"
#include "libgrpo/serve/service.hpp"

namespace grpo::serve {

/// One conversation: roles are strings, contents strings or lists of text parts. `extra`: variables of the template, a JSON object.
/// throws: ApiError 400
Prompt render_conversation(Body& body, const Model& model, const nlohmann::json& messages, const nlohmann::json& extra);

/// Variables of the template that a body brings: chat_template_kwargs and tools. throws: ApiError 400
nlohmann::json read_template_variables(Body& body);

/// messages, chat_template_kwargs and tools. throws: ApiError 400
Prompt read_conversation(Body& body, const Model& model);

}  // namespace grpo::serve
