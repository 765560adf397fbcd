#include "libgrpo/serve/conversation.inl"

#include "libgrpo/base/error.hpp"
#include "libgrpo/serve/api_error.hpp"

#include <nlohmann/json.hpp>

namespace grpo::serve {

using Json = nlohmann::json;

namespace {

bool has_type_text(const Json& value) {
  if (!value.is_object()) return false;
  const auto type = value.find("type");
  return type != value.end() && *type == "text";
}

}  // namespace

Prompt render_conversation(Body& body, const Model& model, const Json& messages, const Json& extra) {
  if (!model.chat)
    throw ApiError(400, "the model brings no chat template; ask for /v1/completions, or start the server with --chat_template", "messages");
  if (!messages.is_array() || messages.empty()) body.fail("messages", "must be a list of {\"role\", \"content\"}");
  for (const Json& message : messages) {
    if (!message.is_object() || !message.contains("role") || !message["role"].is_string())
      body.fail("messages", "every message needs a role, a string");
    if (!message.contains("content")) continue;
    const Json& content = message["content"];
    if (content.is_string() || content.is_null()) continue;
    if (!content.is_array()) body.fail("messages", "a content is a string or a list of parts");
    for (const Json& part : content)
      if (!has_type_text(part) || !part.contains("text")) body.fail("messages", "only parts of type \"text\" are understood");
  }
  try {
    Prompt prompt;
    prompt.text = model.chat->render_json(to_text(messages), {true, model.bos_token, model.eos_token, extra.dump(), model.now});
    prompt.ids = model.tokenizer->encode(prompt.text);
    return prompt;
  } catch (const Error& error) {
    throw ApiError(400, std::string("messages: ") + error.what(), "messages");
  }
}

Json read_template_variables(Body& body) {
  Json extra = Json::object();
  if (const Json* given = body.find("chat_template_kwargs")) {
    if (!given->is_object()) body.fail("chat_template_kwargs", "must be an object");
    extra = *given;
  }
  if (const Json* tools = body.find("tools"); tools && !tools->empty()) extra["tools"] = *tools;
  return extra;
}

Prompt read_conversation(Body& body, const Model& model) {
  const Json* messages = body.find("messages");
  if (!messages) body.fail("messages", "is required");
  const Json extra = read_template_variables(body);
  // Tools are shown to the model; what it writes is text, for the client to read.
  if (const auto* choice = body.find("tool_choice"); choice && *choice != "none" && *choice != "auto")
    body.fail("tool_choice", "only none and auto are understood: nothing forces a call, and calls come as text");
  if (const auto* format = body.find("response_format"); format && !has_type_text(*format))
    body.fail("response_format", "only {\"type\": \"text\"} is served");
  return render_conversation(body, model, *messages, extra);
}

}  // namespace grpo::serve
