// Bodies of grpo_serve's requests: OpenAI's completions and conversations, TRL's batches. No engine: a body ends as a request or is refused.
#include "libgrpo/serve/api_error.hpp"
#include "libgrpo/serve/conversation.inl"
#include "libgrpo/serve/generation_fields.inl"
#include "tests/fuzz/letters.hpp"
#include "tests/fuzz/target.hpp"

#include <nlohmann/json.hpp>

using namespace grpo;
using namespace grpo::serve;

FUZZ_TARGET(http_body) {
  static const auto kTokenizer = fuzz::letters();
  static const ModelConfig kConfig = fuzz::letters_config();
  static const ChatTemplate kChat("{% for m in messages %}{{ m.role }}: {{ m.content }}{% endfor %}");
  static const Model kModel{"m", kTokenizer.get(), &kChat, "<s>", "</s>", 1700000000};
  for (const char* field : {"prompt", "prompts", "messages"}) try {
      const nlohmann::json json = parse_body(bytes);
      Body body(json);
      GenerationRequest request;
      read_sampling(body, kConfig, request);
      if (field == std::string_view("messages"))
        request.prompts = {read_conversation(body, kModel)};
      else
        request.prompts = read_prompts(body, field, *kTokenizer);
      read_prompt_ids(body, request.prompts);
      fit_lengths(body, field, "max_tokens", 16, kConfig, request);
      body.finish();
    } catch (const ApiError&) {
    } catch (const Error&) {
    }
}
