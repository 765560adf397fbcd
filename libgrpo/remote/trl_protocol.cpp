#include "libgrpo/remote/protocols.inl"

#include <fmt/format.h>
#include <algorithm>

namespace grpo::remote {
namespace {

using Json = nlohmann::json;

/// [token][1] -> [token]; empty where the server sends none.
Json first_of_each(const Json& list) {
  Json flat = Json::array();
  if (!list.is_array()) return flat;
  for (const Json& values : list) flat.push_back(values.is_array() && !values.empty() ? values[0] : Json());
  return flat;
}

/// Its answers do not say why a completion ended: an end token, a stop text, or the limit.
FinishReason finish_of(const Completion& completion, const Reading& reading) {
  if (static_cast<std::int64_t>(completion.ids.size()) < reading.params.max_completion_length) return FinishReason::stop;
  const auto& ends = reading.config.eos_token_ids;
  if (std::find(ends.begin(), ends.end(), completion.ids.back()) != ends.end()) return FinishReason::stop;
  const std::string text = reading.tokenizer.decode(completion.ids);
  const auto& stops = reading.params.stop_sequences;
  return std::any_of(stops.begin(), stops.end(), [&](const std::string& stop) { return text.ends_with(stop); }) ? FinishReason::stop
                                                                                                                : FinishReason::length;
}

}  // namespace

Json trl_body(const Prompt& prompt, const SamplingParams& params) {
  Json extra = {{"seed", seed_of(params.seed, prompt.id)}};
  if (params.min_completion_length > 0) extra["min_tokens"] = params.min_completion_length;
  if (!params.stop_sequences.empty()) extra["stop"] = params.stop_sequences;
  return {{"prompts", Json::array({prompt.ids})},
          {"n", params.num_generations},
          {"repetition_penalty", 1.0},
          {"temperature", params.temperature},
          {"top_p", params.top_p},
          {"top_k", params.top_k == 0 ? -1 : params.top_k},
          {"min_p", params.min_p},
          {"max_tokens", params.max_completion_length},
          {"logprobs", 0},
          {"generation_kwargs", extra}};
}

Answer read_trl(const std::string& body, const Reading& reading) {
  const Json json = Json::parse(body, nullptr, false);
  const Json &lists = member(json, "completion_ids"), &log_probs = member(json, "logprobs");
  if (!lists.is_array())
    throw ServerError(Trouble::unusable, fmt::format("the answer is no JSON with completion_ids; it begins \"{:.80}\"", body));
  Answer answer;
  answer.completions.resize(static_cast<std::size_t>(reading.params.num_generations));
  if (lists.size() != answer.completions.size())
    answer.complaint = fmt::format("{} completions, where {} were asked for", lists.size(), answer.completions.size());
  for (std::size_t i = 0; i < std::min(lists.size(), answer.completions.size()); ++i) {
    try {
      Completion completion;
      completion.ids = read_ids(lists[i], reading.config.vocab_size);
      if (!log_probs.is_null())  // servers of early versions send none
        completion.log_probs =
            read_log_probs(first_of_each(log_probs.is_array() && i < log_probs.size() ? log_probs[i] : Json()), completion.ids.size());
      completion.finish = finish_of(completion, reading);
      answer.completions[i] = checked(std::move(completion), reading);
    } catch (const Unusable& unusable) {
      if (answer.complaint.empty()) answer.complaint = fmt::format("completion {}: {}", i, unusable.why);
    }
  }
  return answer;
}

}  // namespace grpo::remote
