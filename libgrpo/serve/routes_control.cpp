#include "libgrpo/serve/api_error.hpp"
#include "libgrpo/serve/body.inl"
#include "libgrpo/serve/reply.inl"
#include "libgrpo/serve/service.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace grpo::serve {
namespace {

using Json = nlohmann::ordered_json;

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
  const auto or_null = [](const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); };
  return reply_json({{"weight_version", engine_.status().version}, {"path", or_null(weights_path_)}, {"adapter", or_null(adapter_)}});
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

}  // namespace grpo::serve
