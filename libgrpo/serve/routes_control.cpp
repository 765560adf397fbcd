#include "libgrpo/base/error.hpp"
#include "libgrpo/serve/api_error.hpp"
#include "libgrpo/serve/body.inl"
#include "libgrpo/serve/service.hpp"

#include <filesystem>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace grpo::serve {
namespace {

using Json = nlohmann::ordered_json;

HttpReply reply_json(const Json& json) {
  HttpReply reply;
  reply.body = to_text(json);
  return reply;
}

}  // namespace

HttpReply Service::health(const HttpRequest& /*request*/) const { return reply_json({{"status", "ok"}}); }

HttpReply Service::version(const HttpRequest& /*request*/) const {
  return reply_json({{"version", GRPO_VERSION}, {"server", "grpo_serve"}});
}

HttpReply Service::world_size(const HttpRequest& /*request*/) const { return reply_json({{"world_size", 1}}); }

HttpReply Service::metrics(const HttpRequest& /*request*/) const {
  HttpReply reply;
  reply.type = "text/plain; version=0.0.4";
  reply.body = metrics_.text(engine_.status());
  return reply;
}

HttpReply Service::weight_info(const HttpRequest& /*request*/) const {
  const std::lock_guard lock(weights_);
  return reply_json({{"weight_version", engine_.status().version}, {"path", weights_path_.empty() ? Json(nullptr) : Json(weights_path_)}});
}

HttpReply Service::is_paused(const HttpRequest& /*request*/) const { return reply_json({{"is_paused", engine_.status().paused}}); }

HttpReply Service::pause(const HttpRequest& request) const {
  const auto found = request.query.find("mode");
  const std::string mode = found == request.query.end() ? "abort" : found->second;  // vLLM's default
  if (mode == "keep")
    engine_.pause(PauseMode::keep);
  else if (mode == "wait")
    engine_.pause(PauseMode::wait);
  else if (mode == "abort")
    engine_.pause(PauseMode::abort);
  else
    throw ApiError(400, fmt::format("mode = \"{:.40}\": must be keep, wait or abort", mode), "mode");
  return reply_json({{"status", "paused"}});
}

HttpReply Service::resume(const HttpRequest& /*request*/) const {
  engine_.resume();
  return reply_json({{"status", "resumed"}});
}

HttpReply Service::reset_prefix_cache(const HttpRequest& /*request*/) const {
  engine_.reset_prefix_cache();
  return reply_json({{"success", true}});
}

std::int64_t Service::change_weights(const std::string& path, std::optional<std::int64_t> version) const {
  const std::lock_guard lock(weights_);
  std::error_code ignored;
  if (!std::filesystem::is_directory(path, ignored))
    throw ApiError(400, fmt::format("\"{:.200}\": no such folder; the old weights stay in use", path), "path");
  std::shared_ptr<const CausalLm> fresh;
  try {
    fresh = load_(path);
  } catch (const Error& error) {
    throw ApiError(400, std::string(error.what()) + "; the old weights stay in use", "path");
  }
  const std::int64_t now = engine_.update(std::move(fresh), version);
  weights_path_ = path;
  return now;
}

HttpReply Service::collective_rpc(const HttpRequest& request) const {
  const auto json = parse_body(request.body);
  Body body(json);
  const std::string method = body.text("method").value_or("");
  if (method != "reload_weights") body.fail("method", "only reload_weights is offered");
  body.ignore({"timeout"});
  body.refuse({"args"});
  const auto* kwargs = body.find("kwargs");
  body.finish();
  if (!kwargs) throw ApiError(400, "kwargs.weights_path: is required: the folder that holds the weights", "kwargs.weights_path");
  Body inner(*kwargs, "kwargs.");
  const auto path = inner.text("weights_path");
  inner.finish();
  if (!path) inner.fail("weights_path", "is required: the folder that holds the weights");
  change_weights(*path, {});
  return reply_json({{"results", Json::array({nullptr})}});
}

HttpReply Service::update_weights(const HttpRequest& request) const {
  const auto json = parse_body(request.body);
  if (json.is_object() && json.contains("update_info")) return not_offered(request);  // vLLM's, over NCCL
  Body body(json);
  const auto path = body.text("path");
  const auto version = body.integer("version", 0, INT64_MAX);
  body.finish();
  if (!path) body.fail("path", "is required: the folder that holds the weights");
  return reply_json({{"weight_version", change_weights(*path, version)}});
}

}  // namespace grpo::serve
