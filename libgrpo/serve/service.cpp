#include "libgrpo/serve/service.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/serve/api_error.hpp"
#include "libgrpo/serve/body.inl"

#include <chrono>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace grpo::serve {
namespace {

const char* type_of(int status) {
  switch (status) {
    case 401: return "authentication_error";
    case 429: return "rate_limit_error";
    case 404: return "not_found_error";
    default: return status < 500 ? "invalid_request_error" : "server_error";
  }
}

}  // namespace

HttpReply error_reply(int status, const std::string& message, const std::string& param) {
  nlohmann::ordered_json body;
  auto& error = body["error"];
  error["message"] = message;
  error["type"] = type_of(status);
  error["param"] = nullptr;
  if (!param.empty()) error["param"] = param;
  error["code"] = status;
  HttpReply reply;
  reply.status = status;
  reply.body = to_text(body);
  if (status == 429 || status == 503) reply.headers.emplace("Retry-After", status == 429 ? "1" : "10");
  return reply;
}

Service::Service(EngineLoop& engine, Model model, std::shared_ptr<const CausalLm> served, WeightLoaders load)
    : engine_(engine),
      model_(std::move(model)),
      load_(std::move(load)),
      created_(std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count()),
      whole_(std::move(served)) {
  routes_ = {{"/health", {"GET", &Service::health}},
             {"/ping", {"GET", &Service::health}},
             {"/version", {"GET", &Service::version}},
             {"/metrics", {"GET", &Service::metrics}},
             {"/get_world_size", {"GET", &Service::world_size}},
             {"/v1/models", {"GET", &Service::models}},
             {"/v1/completions", {"POST", &Service::completions}},
             {"/v1/chat/completions", {"POST", &Service::chat_completions}},
             {"/generate", {"POST", &Service::trl_generate}},
             {"/chat", {"POST", &Service::trl_chat}},
             {"/weight_info", {"GET", &Service::weight_info}},
             {"/is_paused", {"GET", &Service::is_paused}},
             {"/reset_prefix_cache", {"POST", &Service::reset_prefix_cache}},
             {"/pause", {"POST", &Service::pause, true}},
             {"/resume", {"POST", &Service::resume, true}},
             {"/collective_rpc", {"POST", &Service::collective_rpc, true}},
             {"/update_weights", {"POST", &Service::update_weights, true}},
             {"/v1/load_lora_adapter", {"POST", &Service::load_adapter, true}},
             {"/v1/unload_lora_adapter", {"POST", &Service::unload_adapter, true}}};
  for (const char* path : {"/init_communicator", "/update_named_param", "/batch_update_named_params", "/close_communicator",
                           "/get_sequence_logprobs", "/init_weight_transfer_engine", "/start_weight_update", "/finish_weight_update"})
    routes_[path] = {"POST", &Service::not_offered};
}

HttpReply Service::dispatch(const HttpRequest& request) const {
  const bool slash = request.path.size() > 1 && request.path.back() == '/';
  const std::string path = slash ? request.path.substr(0, request.path.size() - 1) : request.path;
  const auto found = routes_.find(path);
  if (found == routes_.end()) throw ApiError(404, fmt::format("no such route: {} {:.200}", request.method, request.path));
  const Route& route = found->second;
  if (request.method != route.method) throw ApiError(405, fmt::format("{} takes {}, not {}", request.path, route.method, request.method));
  if (route.changes_weights && !load_.folder)
    throw ApiError(403, fmt::format("{}: this server was started without --enable_weight_updates", path));
  HttpReply reply = (this->*route.handler)(request);
  metrics_.count_reply(path, reply.status);
  return reply;
}

HttpReply Service::handle(const HttpRequest& request) const {
  HttpReply reply;
  try {
    return dispatch(request);
  } catch (const ApiError& error) {
    reply = error_reply(error.status(), error.what(), error.param());
  } catch (const std::bad_alloc&) {
    reply = error_reply(500, "out of memory");
  } catch (const std::exception& error) {
    reply = error_reply(500, error.what());
  }
  metrics_.count_reply("error", reply.status);  // not by path: a client's own words must not become labels
  return reply;
}

}  // namespace grpo::serve
