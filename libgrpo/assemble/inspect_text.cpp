#include "libgrpo/assemble/assembly.hpp"
#include "libgrpo/assemble/data.hpp"
#include "libgrpo/assemble/inspect.hpp"
#include "libgrpo/assemble/streams.hpp"
#include "libgrpo/base/error.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <algorithm>
#include <nlohmann/json.hpp>

namespace grpo {
namespace {

using Json = nlohmann::ordered_json;

std::string text_of(std::string_view line) {
  const Json json = Json::parse(line, nullptr, false);
  if (json.is_discarded()) throw Error(ErrorKind::data, "not JSON in UTF-8");
  if (!json.is_object() || !json.contains("text") || !json["text"].is_string())
    throw Error(ErrorKind::data, "expected an object with a string \"text\", as in {\"text\": \"Hello\"}");
  return json["text"].get<std::string>();
}

}  // namespace

void inspect_tokens(const Recipe& recipe, std::istream& in, const std::string& name, std::ostream& out) {
  const auto tokenizer = load_tokenizer(model_place(recipe).text);
  for_each_line(in, name, [&](std::string_view line, std::size_t) {
    out << Json{{"ids", tokenizer->encode(text_of(line))}}.dump() << "\n";
  });
  finish(out);
}

void inspect_prompts(const Recipe& recipe, std::int64_t rows, bool json, std::ostream& out) {
  const ModelPlace model = model_place(recipe);
  const auto source = open_train_source(recipe);
  const ModelConfig config = read_model_config(model.weights);
  const auto tokenizer = load_tokenizer(model.text);
  const auto chat = open_chat_template(recipe);
  const PromptSet prompts(*source, *tokenizer, chat ? &*chat : nullptr, prompt_style(recipe, config, *tokenizer));
  const std::size_t count = std::min(static_cast<std::size_t>(rows), prompts.size());
  for (std::size_t i = 0; i < count; ++i) {
    const Prompt prompt = prompts.prompt(i);
    if (json) {
      const Json line = {{"source", prompt.source}, {"text", prompt.text}, {"ids", prompt.ids}, {"solution", prompt.solution}};
      out << line.dump(-1, ' ', false, Json::error_handler_t::replace) << "\n";
    } else {
      out << fmt::format("--- {}: {} tokens, solution \"{}\"\n{}{}ids {}\n\n", prompt.source, prompt.ids.size(), prompt.solution,
                         prompt.text, prompt.text.ends_with('\n') ? "" : "\n", fmt::join(prompt.ids, " "));
    }
  }
  if (!json) out << fmt::format("{} of {} prompts\n", count, prompts.size());
  finish(out);
}

}  // namespace grpo
