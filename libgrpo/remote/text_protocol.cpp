#include "libgrpo/remote/protocols.inl"

#include <fmt/format.h>

namespace grpo::remote {

using Json = nlohmann::json;

/// What else would change the distribution is said, because llama.cpp's servers cut and penalise by default.
Json text_body(const Prompt& prompt, const SamplingParams& params, const ServerIdentity& server, std::int64_t vocab_size,
               std::int64_t sample) {
  return {{"model", server.model},
          {"prompt", prompt.text},
          {"max_tokens", params.max_completion_length},
          {"temperature", params.temperature},
          {"top_p", params.top_p},
          {"top_k", params.top_k == 0 ? vocab_size : params.top_k},
          {"min_p", params.min_p},
          {"repeat_penalty", 1.0},
          {"seed", (seed_of(params.seed, prompt.id) + sample) & 0x7FFFFFFF}};
}

Answer read_text(const std::string& body, const Reading& reading) {
  const Json json = Json::parse(body, nullptr, false);
  const Json& choices = member(json, "choices");
  if (!choices.is_array())
    throw ServerError(Trouble::unusable, fmt::format("the answer is no JSON with choices; it begins \"{:.80}\"", body));
  const Json choice = choices.empty() ? Json() : choices[0];
  const Json &text = member(choice, "text"), &reason = member(choice, "finish_reason");
  Answer answer;
  answer.completions.resize(1);
  try {
    if (!text.is_string()) throw Unusable{"it has no text"};
    if (reason != "stop" && reason != "length") throw Unusable{fmt::format("its finish_reason is {:.40}", reason.dump())};
    Completion completion;
    completion.ids = reading.tokenizer.encode(text.get<std::string>());
    completion.finish = reason == "stop" ? FinishReason::stop : FinishReason::length;
    // A model that names no end token was stopped by the server's own rules.
    if (completion.finish == FinishReason::stop && !reading.config.eos_token_ids.empty())
      completion.ids.push_back(static_cast<std::int32_t>(reading.config.eos_token_ids.front()));
    // Tokenized again a text may take more tokens than it was drawn in, or fewer.
    const auto most = static_cast<std::size_t>(reading.params.max_completion_length);
    if (completion.ids.size() > most) {
      completion.ids.resize(most);
      completion.finish = FinishReason::length;
    }
    if (completion.ids.empty()) throw Unusable{"it is empty"};
    completion.text = reading.tokenizer.decode(completion.ids);
    answer.completions[0] = std::move(completion);
  } catch (const Unusable& unusable) {
    answer.complaint = unusable.why;
  }
  return answer;
}

}  // namespace grpo::remote
