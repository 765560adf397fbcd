// The server that TRL ran itself up to version 1.10 (trl/scripts/vllm_serve.py), as its client speaks to it.
#include "libgrpo/serve/answers.hpp"
#include "libgrpo/serve/api_error.hpp"
#include "libgrpo/serve/conversation.inl"
#include "libgrpo/serve/generation_fields.inl"
#include "libgrpo/serve/service.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace grpo::serve {
namespace {

using Json = nlohmann::json;

/// generation_kwargs win over the fields beside them.
Json merged(const Json& body) {
  Json all = body;
  if (!all.is_object() || !all.contains("generation_kwargs")) return all;
  const Json extra = all["generation_kwargs"];
  all.erase("generation_kwargs");
  if (!extra.is_object() && !extra.is_null()) throw ApiError(400, "generation_kwargs: must be an object", "generation_kwargs");
  if (extra.is_object()) all.update(extra);
  return all;
}

/// The token drawn first, then the likeliest others.
void add_log_probs(Json& values, Json& ids, const Choice& choice) {
  Json of_values = Json::array(), of_ids = Json::array();
  for (std::size_t t = 0; t < choice.ids.size(); ++t) {
    Json v = {choice.log_probs[t]}, i = {choice.ids[t]};
    for (const Alternative& one : choice.alternatives[t])
      if (one.id != choice.ids[t]) {
        v.push_back(one.log_prob);
        i.push_back(one.id);
      }
    of_values.push_back(std::move(v));
    of_ids.push_back(std::move(i));
  }
  values.push_back(std::move(of_values));
  ids.push_back(std::move(of_ids));
}

HttpReply trl_answer(EngineLoop& engine, const Tokenizer& tokenizer, GenerationRequest request, bool log_probs,
                     const std::function<bool()>& gone) {
  const auto job = engine.submit(std::move(request));
  const auto choices = collect(
      *job, tokenizer, false, gone, [&] { engine.cancel(*job); }, [] {});
  Json prompts = Json::array(), completions = Json::array(), values = Json::array(), ids = Json::array();
  for (const Prompt& prompt : job->request().prompts) prompts.push_back(prompt.ids);
  for (const Choice& choice : choices) {
    // A client of this protocol takes every answer for a whole one.
    if (choice.finish_reason == "abort") throw ApiError(503, "the server cut the request short");
    completions.push_back(choice.ids);
    if (log_probs) add_log_probs(values, ids, choice);
  }
  HttpReply reply;
  reply.body = Json{{"prompt_ids", prompts},
                    {"completion_ids", completions},
                    {"logprobs", log_probs ? values : Json(nullptr)},
                    {"logprob_token_ids", log_probs ? ids : Json(nullptr)},
                    {"weight_version", job->first_version()}}
                   .dump();
  return reply;
}

/// One request, whose prompts `read_prompts` takes out of `field`.
HttpReply answer(EngineLoop& engine, const Tokenizer& tokenizer, const HttpRequest& http, const std::string& field,
                 const std::function<std::vector<Prompt>(Body&)>& read_prompts) {
  const Json json = merged(parse_body(http.body));
  Body body(json);
  GenerationRequest request;
  request.client = http.client;
  read_sampling(body, engine.config(), request);
  const auto top = body.integer("logprobs", 0, 20);
  request.options.top_log_probs = top.value_or(0);
  body.refuse({"images", "structured_outputs_regex", "guided_decoding_regex", "frequency_penalty", "presence_penalty"});
  body.refuse({"repetition_penalty"}, 1.0);
  request.prompts = read_prompts(body);
  read_prompt_ids(body, request.prompts);
  fit_lengths(body, field, "max_tokens", 16, engine.config(), request);
  body.finish();
  return trl_answer(engine, tokenizer, std::move(request), top.has_value(), http.gone);
}

}  // namespace

HttpReply Service::trl_generate(const HttpRequest& http) const {
  return answer(engine_, *model_.tokenizer, http, "prompts", [&](Body& body) { return read_prompts(body, "prompts", *model_.tokenizer); });
}

HttpReply Service::trl_chat(const HttpRequest& http) const {
  return answer(engine_, *model_.tokenizer, http, "messages", [&](Body& body) {
    const Json* conversations = body.find("messages");
    if (!conversations || !conversations->is_array() || conversations->empty()) body.fail("messages", "must be a list of conversations");
    const Json extra = read_template_variables(body);
    std::vector<Prompt> prompts;
    for (const Json& one : *conversations) prompts.push_back(render_conversation(body, model_, one, extra));
    body.ignore({"chat_template"});
    return prompts;
  });
}

HttpReply Service::not_offered(const HttpRequest& request) const {
  throw ApiError(501, fmt::format("{}: this server takes new weights from files or memory: POST /update_weights {{\"path\": FOLDER, "
                                  "\"version\": N}}, or /collective_rpc {{\"method\": \"reload_weights\", \"kwargs\": "
                                  "{{\"weights_path\": FOLDER}}}}",
                                  request.path));
}

}  // namespace grpo::serve
