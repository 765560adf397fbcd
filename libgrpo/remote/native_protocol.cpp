#include "libgrpo/remote/protocols.inl"

#include <fmt/format.h>

namespace grpo::remote {
namespace {

using Json = nlohmann::json;

Completion read_choice(const Json& choice, const Reading& reading) {
  Completion completion;
  completion.ids = read_ids(member(choice, "token_ids"), reading.config.vocab_size);
  completion.log_probs = read_log_probs(member(member(choice, "logprobs"), "token_logprobs"), completion.ids.size());
  if (const Json& entropies = member(choice, "entropies"); !entropies.is_null())
    completion.entropies = read_entropies(entropies, completion.ids.size());
  const Json& reason = member(choice, "finish_reason");
  if (reason != "stop" && reason != "length") throw Unusable{fmt::format("its finish_reason is {:.40}", reason.dump())};
  completion.finish = reason == "stop" ? FinishReason::stop : FinishReason::length;
  return checked(std::move(completion), reading);
}

}  // namespace

Json native_body(const Prompt& prompt, const SamplingParams& params, const ServerIdentity& server) {
  Json body = {{"model", server.model},
               {"prompt", prompt.ids},
               {"n", params.num_generations},
               {"max_tokens", params.max_completion_length},
               {"temperature", params.temperature},
               {"top_p", params.top_p},
               {"top_k", params.top_k},
               {"min_p", params.min_p},
               {"logprobs", 0},
               {"return_token_ids", true}};
  if (params.min_completion_length > 0) body["min_tokens"] = params.min_completion_length;
  if (!params.stop_sequences.empty()) {
    body["stop"] = params.stop_sequences;
    body["include_stop_str_in_output"] = true;
  }
  if (server.kind == ServerKind::grpo_serve) {  // it draws what the engine in this process would
    body["seed"] = params.seed;
    body["return_entropies"] = true;
    body["prompt_id"] = Json::array({prompt.id});
  } else {
    body["seed"] = seed_of(params.seed, prompt.id);
  }
  return body;
}

Answer read_native(const std::string& body, const Reading& reading) {
  const Json json = Json::parse(body, nullptr, false);
  const Json& choices = member(json, "choices");
  if (!choices.is_array())
    throw ServerError(Trouble::unusable, fmt::format("the answer is no JSON with choices; it begins \"{:.80}\"", body));
  const std::int64_t wanted = reading.params.num_generations;
  Answer answer;
  answer.completions.resize(static_cast<std::size_t>(wanted));
  const Json& version = member(json, "weight_version");
  for (std::size_t i = 0; i < choices.size(); ++i) {
    try {
      const Json& index = member(choices[i], "index");
      if (!index.is_number_integer() || index < 0 || index >= wanted) throw Unusable{fmt::format("its index is {:.40}", index.dump())};
      auto& place = answer.completions[index.get<std::size_t>()];
      if (place) throw Unusable{fmt::format("index {} comes twice", index.dump())};
      Completion completion = read_choice(choices[i], reading);
      if (version.is_number_integer()) completion.weight_version = version.get<std::int64_t>();
      place = std::move(completion);
    } catch (const Unusable& unusable) {
      if (answer.complaint.empty()) answer.complaint = fmt::format("choice {}: {}", i, unusable.why);
    }
  }
  if (!answer.whole() && answer.complaint.empty())
    answer.complaint = fmt::format("{} choices, where {} were asked for", choices.size(), wanted);
  return answer;
}

}  // namespace grpo::remote
