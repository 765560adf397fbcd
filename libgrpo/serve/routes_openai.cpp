#include "libgrpo/base/utf8.hpp"
#include "libgrpo/serve/answers.hpp"
#include "libgrpo/serve/api_error.hpp"
#include "libgrpo/serve/conversation.inl"
#include "libgrpo/serve/generation_fields.inl"
#include "libgrpo/serve/reply.inl"
#include "libgrpo/serve/service.hpp"
#include "libgrpo/tensor/precompiled.hpp"

#include <chrono>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <set>
#include <span>

namespace grpo::serve {
namespace {

using Json = nlohmann::ordered_json;
using std::int64_t;

/// What a client asked to see, besides the text.
struct Wanted {
  bool chat = false, stream = false, usage = false, log_probs = false, token_ids = false, tokens_as_ids = false, keep_stop = false;
  bool entropies = false;
  std::string id;
  int64_t created = 0;
};

void read_wanted(Body& body, Wanted& wanted) {
  wanted.stream = body.boolean("stream").value_or(false);
  if (const auto* options = body.find("stream_options")) {
    Body inner(*options, "stream_options.");
    wanted.usage = inner.boolean("include_usage").value_or(false);
    inner.ignore({"include_obfuscation", "continuous_usage_stats"});
    inner.finish();
  }
  wanted.token_ids = body.boolean("return_token_ids").value_or(false);
  wanted.entropies = body.boolean("return_entropies").value_or(false);
  if (wanted.entropies && wanted.stream) body.fail("return_entropies", "comes with a whole answer alone, not with a stream");
  wanted.tokens_as_ids = body.boolean("return_tokens_as_token_ids").value_or(false);
  wanted.keep_stop = body.boolean("include_stop_str_in_output").value_or(false);
  static std::atomic<std::uint64_t> count{0};
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  wanted.created = std::chrono::duration_cast<std::chrono::seconds>(now).count();
  wanted.id = fmt::format("{}-{:x}-{}", wanted.chat ? "chatcmpl" : "cmpl", wanted.created, ++count);
  body.ignore({"user", "metadata", "store", "service_tier", "priority", "request_id"});
  body.refuse({"echo", "suffix", "frequency_penalty", "presence_penalty", "structured_outputs", "guided_regex", "guided_json",
               "prompt_logprobs", "ignore_eos", "stop_token_ids", "bad_words", "allowed_token_ids", "use_beam_search",
               "logits_processors"});
  body.refuse({"repetition_penalty", "length_penalty"}, 1.0);
  if (const auto skip = body.boolean("skip_special_tokens"); skip && !*skip)
    body.fail("skip_special_tokens", "special tokens are never in the text; ask for return_token_ids");
}

void check_model(Body& body, const std::string& name) {
  const auto model = body.text("model");
  if (model && *model != name) throw ApiError(404, fmt::format("model = \"{:.80}\": this server has \"{}\"", *model, name), "model");
}

/// Names and log-probs of tokens, as the two routes write them.
class LogProbs {
 public:
  LogProbs(const Tokenizer& tokenizer, const Wanted& wanted) : tokenizer_(tokenizer), wanted_(wanted) {}

  [[nodiscard]] Json of(std::span<const std::int32_t> ids, std::span<const float> log_probs,
                        std::span<const std::vector<Alternative>> alternatives) const {
    if (!wanted_.log_probs) return nullptr;
    return wanted_.chat ? chat(ids, log_probs, alternatives) : plain(ids, log_probs, alternatives);
  }

 private:
  [[nodiscard]] std::string name(std::int32_t id) const {
    return wanted_.tokens_as_ids ? fmt::format("token_id:{}", id) : replace_invalid_utf8(tokenizer_.token_bytes(id));
  }
  [[nodiscard]] Json plain(std::span<const std::int32_t> ids, std::span<const float> log_probs,
                           std::span<const std::vector<Alternative>> alternatives) const {
    Json tokens = Json::array(), values = Json::array(), tops = Json::array(), offsets = Json::array();
    int64_t offset = 0;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      tokens.push_back(name(ids[i]));
      values.push_back(log_probs[i]);
      offsets.push_back(offset);
      offset += static_cast<int64_t>(tokenizer_.token_bytes(ids[i]).size());
      Json top = Json::object();
      for (const Alternative& one : alternatives[i]) top[name(one.id)] = one.log_prob;
      top[name(ids[i])] = log_probs[i];
      tops.push_back(std::move(top));
    }
    return {{"tokens", tokens}, {"token_logprobs", values}, {"top_logprobs", tops}, {"text_offset", offsets}};
  }
  [[nodiscard]] Json entry(std::int32_t id, float log_prob) const {
    Json bytes = Json::array();
    for (const char c : tokenizer_.token_bytes(id)) bytes.push_back(static_cast<unsigned char>(c));
    return {{"token", name(id)}, {"logprob", log_prob}, {"bytes", bytes}};
  }
  [[nodiscard]] Json chat(std::span<const std::int32_t> ids, std::span<const float> log_probs,
                          std::span<const std::vector<Alternative>> alternatives) const {
    Json content = Json::array();
    for (std::size_t i = 0; i < ids.size(); ++i) {
      Json token = entry(ids[i], log_probs[i]);
      token["top_logprobs"] = Json::array();
      for (const Alternative& one : alternatives[i]) token["top_logprobs"].push_back(entry(one.id, one.log_prob));
      content.push_back(std::move(token));
    }
    return {{"content", content}};
  }

  const Tokenizer& tokenizer_;
  const Wanted& wanted_;
};

Json usage_of(const Job& job, int64_t completion_tokens) {
  int64_t prompt_tokens = 0;
  for (const Prompt& prompt : job.request().prompts) prompt_tokens += static_cast<int64_t>(prompt.ids.size());
  return {{"prompt_tokens", prompt_tokens}, {"completion_tokens", completion_tokens}, {"total_tokens", prompt_tokens + completion_tokens}};
}

/// What every answer, and every chunk of a stream, begins with.
Json envelope(const Wanted& wanted, const std::string& model, const Job& job) {
  const std::string object = wanted.chat ? (wanted.stream ? "chat.completion.chunk" : "chat.completion") : "text_completion";
  Json json = {{"id", wanted.id}, {"object", object}, {"created", wanted.created}, {"model", model}};
  json["weight_version"] = job.first_version();
  if (job.last_version() != job.first_version()) json["last_weight_version"] = job.last_version();
  json["seed"] = job.request().params.seed;
  return json;
}

Json whole_choice(const Wanted& wanted, const Tokenizer& tokenizer, const Job& job, std::size_t index, const Choice& choice) {
  Json json = {{"index", index}};
  if (wanted.chat)
    json["message"] = {{"role", "assistant"}, {"content", choice.text}};
  else
    json["text"] = choice.text;
  json["logprobs"] = LogProbs(tokenizer, wanted).of(choice.ids, choice.log_probs, choice.alternatives);
  json["finish_reason"] = choice.finish_reason;
  json["stop_reason"] = choice.stop_reason ? Json(*choice.stop_reason) : Json(nullptr);
  if (wanted.entropies) json["entropies"] = choice.entropies;
  if (wanted.token_ids) {
    json["token_ids"] = choice.ids;
    json["prompt_token_ids"] = job.request().prompts[index / static_cast<std::size_t>(job.request().params.num_generations)].ids;
  }
  return json;
}

/// The events of one streamed answer.
class EventStream {
 public:
  EventStream(Wanted wanted, std::string model, const Tokenizer& tokenizer, std::shared_ptr<Job> job)
      : wanted_(std::move(wanted)), model_(std::move(model)), tokenizer_(tokenizer), job_(std::move(job)) {
    for (std::size_t i = 0; i < job_->choices(); ++i)
      texts_.emplace_back(tokenizer, job_->request().params.stop_sequences, wanted_.keep_stop);
    ended_.resize(texts_.size());
  }

  /// What some news becomes; the end of the stream with the news that end the job.
  std::string of(const News& news) {
    std::string out;
    for (const DrawnToken& token : news.tokens) out += token_event(token);
    for (const auto& [index, reason] : news.finished) out += last_event(index, finish_reason(reason));
    if (news.ending == Ending::none) return out;
    for (std::size_t i = 0; news.ending == Ending::aborted && i < texts_.size(); ++i)
      if (!ended_[i]) out += last_event(i, "abort");
    if (news.ending == Ending::failed) return out + "data: " + error_reply(500, "generation failed: " + job_->failure()).body + "\n\n";
    if (wanted_.usage) {
      Json json = envelope(wanted_, model_, *job_);
      json["choices"] = Json::array();
      json["usage"] = usage_of(*job_, tokens_);
      out += "data: " + to_text(json) + "\n\n";
    }
    return out + "data: [DONE]\n\n";
  }

 private:
  std::string event(std::size_t index, const std::string& text, Json log_probs, Json reason, Json ids, bool first) {
    Json choice = {{"index", index}};
    if (wanted_.chat) {
      choice["delta"] = {{"content", text}};
      if (first) choice["delta"]["role"] = "assistant";
    } else {
      choice["text"] = text;
    }
    choice["logprobs"] = std::move(log_probs);
    choice["finish_reason"] = std::move(reason);
    if (wanted_.token_ids) choice["token_ids"] = std::move(ids);
    Json json = envelope(wanted_, model_, *job_);
    json["choices"] = Json::array({std::move(choice)});
    return "data: " + to_text(json) + "\n\n";
  }
  std::string token_event(const DrawnToken& token) {
    ++tokens_;
    const bool first = begun_.insert(token.choice).second;
    const std::string text = texts_[token.choice].push(token.id);
    if (text.empty() && !first && !wanted_.log_probs && !wanted_.token_ids) return {};
    return event(token.choice, text, LogProbs(tokenizer_, wanted_).of({&token.id, 1}, {&token.log_prob, 1}, {&token.alternatives, 1}),
                 nullptr, Json::array({token.id}), first);
  }
  std::string last_event(std::size_t index, const std::string& reason) {
    ended_[index] = true;
    return event(index, texts_[index].finish(reason == "stop"), nullptr, reason, Json::array(), false);
  }

  const Wanted wanted_;
  const std::string model_;
  const Tokenizer& tokenizer_;
  const std::shared_ptr<Job> job_;
  std::vector<ChoiceText> texts_;
  std::vector<bool> ended_;
  std::set<std::size_t> begun_;
  int64_t tokens_ = 0;
};

/// Counts a generation when it has ended.
class Timing {
 public:
  Timing(ServeMetrics& metrics, const Job& job) : metrics_(metrics), prompt_tokens_(usage_of(job, 0)["prompt_tokens"].get<int64_t>()) {}
  void first() { first_ = watch_.seconds(); }
  void end() { metrics_.count_generation(prompt_tokens_, first_, watch_.seconds()); }

 private:
  ServeMetrics& metrics_;
  int64_t prompt_tokens_;
  Stopwatch watch_;
  double first_ = 0.0;
};

HttpReply answer(EngineLoop& engine, const Model& model, ServeMetrics& metrics, const Wanted& wanted, GenerationRequest request,
                 const std::function<bool()>& gone) {
  const std::shared_ptr<Job> job = engine.submit(std::move(request));
  auto timing = std::make_shared<Timing>(metrics, *job);
  HttpReply reply;
  if (wanted.stream) {
    reply.type = "text/event-stream";
    auto events = std::make_shared<EventStream>(wanted, model.name, *model.tokenizer, job);
    reply.stream = [&engine, job, events, timing, gone](const std::function<bool(const std::string&)>& write) {
      bool any = false;
      for (Ending ending = Ending::none; ending == Ending::none;) {
        const News news = job->news(std::chrono::milliseconds(100));
        ending = news.ending;
        if (!any && !news.tokens.empty()) timing->first();
        any = any || !news.tokens.empty();
        const std::string text = events->of(news);
        if (text.empty() ? !gone() : write(text)) continue;
        return engine.cancel(*job);
      }
      timing->end();
    };
    return reply;
  }
  const auto choices = collect(
      *job, *model.tokenizer, wanted.keep_stop, gone, [&] { engine.cancel(*job); }, [&] { timing->first(); });
  timing->end();
  Json json = envelope(wanted, model.name, *job);
  json["choices"] = Json::array();
  int64_t tokens = 0;
  for (std::size_t i = 0; i < choices.size(); ++i) {
    json["choices"].push_back(whole_choice(wanted, *model.tokenizer, *job, i, choices[i]));
    tokens += static_cast<int64_t>(choices[i].ids.size());
  }
  json["usage"] = usage_of(*job, tokens);
  reply.body = to_text(json);
  return reply;
}

}  // namespace

HttpReply Service::models(const HttpRequest& /*request*/) const {
  const Json model = {{"id", model_.name},
                      {"object", "model"},
                      {"created", created_},
                      {"owned_by", "libgrpo"},
                      {"root", model_.name},
                      {"parent", nullptr},
                      {"max_model_len", engine_.config().context_length}};
  return reply_json({{"object", "list"}, {"data", Json::array({model})}});
}

HttpReply Service::completions(const HttpRequest& http) const {
  const auto json = parse_body(http.body);
  Body body(json);
  Wanted wanted;
  check_model(body, model_.name);
  read_wanted(body, wanted);
  GenerationRequest request;
  request.client = http.client + " " + body.text("user").value_or("");
  read_sampling(body, engine_.config(), request);
  if (const auto top = body.integer("logprobs", 0, 20)) {
    wanted.log_probs = true;
    request.options.top_log_probs = *top;
  }
  if (const auto best = body.integer("best_of", 1, INT32_MAX); best && *best != request.params.num_generations)
    body.fail("best_of", "must equal n: all that is sampled is sent");
  request.prompts = read_prompts(body, "prompt", *model_.tokenizer);
  read_prompt_ids(body, request.prompts);
  fit_lengths(body, "prompt", "max_tokens", 16, engine_.config(), request);
  body.finish();
  return answer(engine_, model_, metrics_, wanted, std::move(request), http.gone);
}

HttpReply Service::chat_completions(const HttpRequest& http) const {
  const auto json = parse_body(http.body);
  Body body(json);
  Wanted wanted;
  wanted.chat = true;
  check_model(body, model_.name);
  read_wanted(body, wanted);
  GenerationRequest request;
  request.client = http.client + " " + body.text("user").value_or("");
  read_sampling(body, engine_.config(), request);
  wanted.log_probs = body.boolean("logprobs").value_or(false);
  request.options.top_log_probs = body.integer("top_logprobs", 0, 20).value_or(0);
  if (request.options.top_log_probs > 0 && !wanted.log_probs) body.fail("top_logprobs", "needs logprobs = true");
  request.prompts = {read_conversation(body, model_)};
  read_prompt_ids(body, request.prompts);
  const bool newer = body.find("max_completion_tokens") != nullptr;
  if (newer && body.find("max_tokens")) body.fail("max_tokens", "max_completion_tokens says the same; keep one");
  fit_lengths(body, "messages", newer ? "max_completion_tokens" : "max_tokens", -1, engine_.config(), request);
  body.ignore({"max_tokens", "parallel_tool_calls", "reasoning_effort"});
  body.finish();
  return answer(engine_, model_, metrics_, wanted, std::move(request), http.gone);
}

}  // namespace grpo::serve
