// The routes that change the weights.
#include "libgrpo/base/error.hpp"
#include "libgrpo/serve/api_error.hpp"
#include "libgrpo/serve/body.inl"
#include "libgrpo/serve/reply.inl"
#include "libgrpo/serve/service.hpp"

#include <filesystem>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace grpo::serve {
namespace {

using Json = nlohmann::ordered_json;

void check_folder(const std::string& path, const char* field) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(path, ignored))
    throw ApiError(400, fmt::format("\"{:.200}\": no such folder; the old weights stay in use", path), field);
}

template <class Load>
Loaded loaded(const Load& load, const char* field) {
  try {
    return load();
  } catch (const Error& error) {
    throw ApiError(400, std::string(error.what()) + "; the old weights stay in use", field);
  }
}

}  // namespace

/// With weights_ held.
HttpReply Service::install(Loaded fresh, const std::string& path, std::optional<std::int64_t> version) const {
  const std::int64_t now = engine_.update(std::move(fresh.model), version);
  weights_path_ = path;
  metrics_.count_weights();
  return reply_json({{"weight_version", now}, {"checksum", fresh.checksum}});
}

HttpReply Service::change_weights(const std::string& path, bool in_memory, std::optional<std::int64_t> version) const {
  const std::lock_guard lock(weights_);
  if (!in_memory) check_folder(path, "path");
  Loaded fresh = loaded([&] { return in_memory ? load_.memory(path) : load_.folder(path); }, in_memory ? "memory" : "path");
  whole_ = fresh.model;
  adapter_.clear();
  return install(std::move(fresh), path, version);
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
  change_weights(*path, false, {});
  return reply_json({{"results", Json::array({nullptr})}});
}

HttpReply Service::update_weights(const HttpRequest& request) const {
  const auto json = parse_body(request.body);
  if (json.is_object() && json.contains("update_info")) return not_offered(request);  // vLLM's, over NCCL
  Body body(json);
  const auto path = body.text("path"), memory = body.text("memory");
  const auto version = body.integer("version", 0, INT64_MAX);
  body.finish();
  if (path && memory) body.fail("memory", "weights come from a path or from memory, not from both");
  if (!path && !memory) body.fail("path", "is required: the folder that holds the weights");
  return change_weights(memory ? *memory : *path, memory.has_value(), version);
}

HttpReply Service::load_adapter(const HttpRequest& request) const {
  const auto json = parse_body(request.body);
  Body body(json);
  const auto name = body.text("lora_name"), path = body.text("lora_path");
  const auto version = body.integer("version", 0, INT64_MAX);
  body.ignore({"load_inplace"});
  body.refuse({"is_3d_lora_weight"});
  body.finish();
  if (!name || name->empty()) body.fail("lora_name", "is required: what to call the adapters");
  if (!path) body.fail("lora_path", "is required: the folder that holds them");
  const std::lock_guard lock(weights_);
  check_folder(*path, "lora_path");
  Loaded fresh = loaded([&] { return load_.adapters(*path, *whole_); }, "lora_path");
  adapter_ = *name;
  return install(std::move(fresh), *path, version);
}

HttpReply Service::unload_adapter(const HttpRequest& request) const {
  const auto json = parse_body(request.body);
  Body body(json);
  const auto name = body.text("lora_name");
  body.ignore({"lora_int_id"});
  body.finish();
  const std::lock_guard lock(weights_);
  if (!name || *name != adapter_ || adapter_.empty())
    throw ApiError(404, fmt::format("lora_name: no adapters of that name; those in use are called \"{}\"", adapter_), "lora_name");
  adapter_.clear();
  return install({whole_, ""}, "", {});
}

}  // namespace grpo::serve
