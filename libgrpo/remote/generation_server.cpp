#include "libgrpo/remote/generation_server.hpp"

#include "libgrpo/base/clock.hpp"
#include "libgrpo/base/error.hpp"
#include "libgrpo/remote/protocols.inl"

#include <fmt/format.h>
#include <algorithm>
#include <charconv>
#include <chrono>
#include <thread>

namespace grpo::remote {
namespace {

using Json = nlohmann::json;
using std::int64_t;

constexpr std::string_view kVersionPrefix = "grpo-";  // of the numbers that a vLLM is told

/// Of an answer to so many tokens: ids, log-probs and names, as JSON, and room to spare.
std::size_t room_for(const SamplingParams& params, std::size_t prompt_tokens) {
  constexpr std::size_t kBytesPerToken = 1024;
  return (1 << 20) + kBytesPerToken * (prompt_tokens + static_cast<std::size_t>(params.num_generations * params.max_completion_length));
}

std::string text_of(const Json& json) { return json.is_string() ? json.get<std::string>() : std::string(); }

Json parsed(const HttpAnswer& answer) { return answer.status == 200 ? Json::parse(answer.body, nullptr, false) : Json(); }

}  // namespace

GenerationServer::GenerationServer(Address address, std::string api_key, const Tokenizer& tokenizer, const ModelConfig& config)
    : address_(std::move(address)), api_key_(std::move(api_key)), tokenizer_(tokenizer), config_(config) {}

std::string GenerationServer::call(const std::string& path, const std::string& body, double seconds, std::size_t max_bytes) const {
  return request_ok(address_, {"POST", path, body, seconds, max_bytes, api_key_});
}

HttpAnswer GenerationServer::get(const std::string& path) const { return request(address_, {"GET", path, {}, 10.0, 1 << 20, api_key_}); }

// ---- who it is ---------------------------------------------------------------------------------------------------------

void GenerationServer::identify(double seconds) {
  const Stopwatch watch;
  std::string trouble = "it is not ready";
  while (true) {
    try {
      if (ask_who()) return;
    } catch (const ServerError& error) {
      trouble = error.what();
    }
    if (watch.seconds() > seconds)
      throw Error(ErrorKind::backend, fmt::format("the generation server {} does not answer after {} seconds (vllm_server_timeout): {}",
                                                  address_.url(), seconds, trouble));
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
  }
}

/// False: ask again later.
bool GenerationServer::ask_who() {
  const HttpAnswer version = get("/version"), models = get("/v1/models");
  if (version.status >= 500 || models.status >= 500) return false;
  if (models.status == 401 || models.status == 403)
    throw Error(ErrorKind::backend, fmt::format("{} wants another key: set GRPO_SERVE_API_KEY or VLLM_API_KEY", address_.url()));
  const Json about = parsed(version);
  if (models.status != 200) {
    if (get("/get_world_size/").status != 200)
      throw Error(ErrorKind::backend, fmt::format("{} is no generation server of a kind known here: /v1/models is answered by status {}",
                                                  address_.url(), models.status));
    identity_.kind = ServerKind::trl;
    return true;
  }
  identity_.version = text_of(member(about, "version"));
  identity_.kind = member(about, "server") == "grpo_serve" ? ServerKind::grpo_serve
                   : identity_.version.empty()             ? ServerKind::text
                                                           : ServerKind::vllm;
  const Json list = parsed(models);
  const Json& data = member(list, "data");
  const Json model = data.is_array() && !data.empty() ? data[0] : Json();
  identity_.model = text_of(member(model, "id"));
  if (identity_.kind == ServerKind::vllm) keeps_version_ = get("/weight_info").status == 200;
  if (identity_.model.empty()) throw Error(ErrorKind::backend, fmt::format("{}/v1/models names no model", address_.url()));
  if (const Json& length = member(model, "max_model_len"); length.is_number_integer()) identity_.context_length = length.get<int64_t>();
  return true;
}

std::optional<std::vector<std::int32_t>> GenerationServer::tokens_of(const std::string& text, double seconds) const {
  if (identity_.kind == ServerKind::trl) {
    const Json answer =
        Json::parse(call("/generate/", Json{{"prompts", Json::array({text})}, {"max_tokens", 1}}.dump(), seconds), nullptr, false);
    const Json& ids = member(answer, "prompt_ids");
    if (!ids.is_array() || ids.empty()) return std::nullopt;
    try {
      return read_ids(ids[0], INT32_MAX);
    } catch (const Unusable&) {
      return std::nullopt;
    }
  }
  Json body = {{"model", identity_.model}, {"prompt", text}, {"max_tokens", 1}};
  if (identity_.kind != ServerKind::text) body["return_token_ids"] = true;
  if (identity_.kind == ServerKind::vllm) body["add_special_tokens"] = false;
  const Json answer = Json::parse(call("/v1/completions", body.dump(), seconds), nullptr, false);
  if (identity_.kind == ServerKind::text) {
    const Json& count = member(member(answer, "usage"), "prompt_tokens");
    if (!count.is_number_unsigned() || count > 1 << 20) return std::nullopt;
    return std::vector<std::int32_t>(count.get<std::size_t>());
  }
  const Json& choices = member(answer, "choices");
  try {
    return read_ids(member(choices.is_array() && !choices.empty() ? choices[0] : Json(), "prompt_token_ids"), INT32_MAX);
  } catch (const Unusable&) {
    return std::nullopt;
  }
}

// ---- completions -------------------------------------------------------------------------------------------------------

Answer GenerationServer::generate(const Prompt& prompt, const SamplingParams& params, double seconds) const {
  const Reading reading{params, tokenizer_, config_};
  const std::size_t room = room_for(params, prompt.ids.size());
  if (identity_.kind == ServerKind::text) return generate_texts(prompt, params, seconds);
  if (identity_.kind == ServerKind::trl) return read_trl(call("/generate/", trl_body(prompt, params).dump(), seconds, room), reading);
  std::string adapter;
  {
    const std::lock_guard lock(mutex_);
    adapter = adapter_;
  }
  if (!adapter.empty()) return generate_with(adapter, prompt, params, seconds);
  Answer answer = read_native(call("/v1/completions", native_body(prompt, params, identity_).dump(), seconds, room), reading);
  if (keeps_version_) {
    const int64_t version = version_now();
    for (auto& completion : answer.completions)
      if (completion) completion->weight_version = version;
  }
  return answer;
}

/// The name asked for says which weights drew the answer. A server that does not know it was started anew.
Answer GenerationServer::generate_with(const std::string& adapter, const Prompt& prompt, const SamplingParams& params,
                                       double seconds) const {
  ServerIdentity as = identity_;
  as.model = adapter;
  const HttpCall ask{"POST",  "/v1/completions", native_body(prompt, params, as).dump(), seconds, room_for(params, prompt.ids.size()),
                     api_key_};
  std::string body;
  try {
    body = request_ok(address_, ask);
  } catch (const ServerError& error) {
    if (error.status() != 404) throw;
    throw ServerError(Trouble::stale,
                      fmt::format("{} does not have the adapter {}: was it started anew? {}", address_.url(), adapter, error.what()));
  }
  Answer answer = read_native(body, {params, tokenizer_, config_});
  int64_t number = kForeign;
  std::from_chars(adapter.data() + kVersionPrefix.size(), adapter.data() + adapter.size(), number);
  for (auto& completion : answer.completions)
    if (completion) completion->weight_version = number;
  return answer;
}

std::string GenerationServer::adapter_name(int64_t number) { return fmt::format("{}{}", kVersionPrefix, number); }

void GenerationServer::sample_with(const std::string& adapter) const {
  const std::lock_guard lock(mutex_);
  adapter_ = adapter;
}

/// One request per completion: many such servers have no `n`. What has come before a failure is kept.
Answer GenerationServer::generate_texts(const Prompt& prompt, const SamplingParams& params, double seconds) const {
  if (!params.stop_sequences.empty() || params.min_completion_length > 0)
    throw ServerError(
        Trouble::refused,
        fmt::format("{} is a server of texts, whose answers do not say which text ended them and know no shortest length: leave "
                    "stop_sequences and min_completion_length unset",
                    address_.url()));
  const Stopwatch watch;
  SamplingParams one = params;
  one.num_generations = 1;
  Answer all;
  for (int64_t i = 0; i < params.num_generations; ++i) {
    all.completions.emplace_back();
    try {
      const std::string body = text_body(prompt, params, identity_, config_.vocab_size, i).dump();
      Answer answer = read_text(call("/v1/completions", body, std::max(0.1, seconds - watch.seconds()), room_for(one, prompt.ids.size())),
                                {one, tokenizer_, config_});
      all.completions.back() = std::move(answer.completions.front());
      if (all.complaint.empty()) all.complaint = answer.complaint;
    } catch (const ServerError& error) {
      if (i == 0) throw;
      all.complaint = error.what();
      all.completions.resize(static_cast<std::size_t>(params.num_generations));
      break;
    }
  }
  return all;
}

// ---- weights -----------------------------------------------------------------------------------------------------------

bool GenerationServer::is_from(int minor) const {
  int major = 0, theirs = 0;
  const char* end = identity_.version.data() + identity_.version.size();
  const auto [dot, bad_major] = std::from_chars(identity_.version.data(), end, major);
  if (bad_major != std::errc() || dot == end || *dot != '.') return true;
  if (std::from_chars(dot + 1, end, theirs).ec != std::errc()) return true;
  return major > 0 || theirs >= minor;
}

int GenerationServer::world_size() const {
  const bool trl = identity_.kind == ServerKind::trl;
  const std::string path = trl ? "/get_world_size/" : "/get_world_size?include_dp=true";
  const Json size = member(parsed(get(path)), "world_size");
  if (!size.is_number_integer() || size < 1 || size > 4096)
    throw ServerError(Trouble::unusable, fmt::format("{}{} does not say how many processes hold the model", address_.url(), path));
  return size.get<int>();
}

void GenerationServer::took_weights(int64_t number, double seconds) const {
  const bool trl = identity_.kind == ServerKind::trl;
  static_cast<void>(call(trl ? "/reset_prefix_cache/" : "/reset_prefix_cache", "", seconds));
  if (!keeps_version_) return;
  static_cast<void>(call("/update_weight_version", Json{{"new_version", fmt::format("{}{}", kVersionPrefix, number)}}.dump(), seconds));
}

std::int64_t GenerationServer::version_now() const {
  const Json info = parsed(get("/weight_info"));
  const std::string text = text_of(member(info, "weight_version"));
  int64_t version = kForeign;
  if (text.starts_with(kVersionPrefix)) std::from_chars(text.data() + kVersionPrefix.size(), text.data() + text.size(), version);
  return version;
}

}  // namespace grpo::remote
