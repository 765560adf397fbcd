#include "libgrpo/remote/folder_channel.hpp"

#include "libgrpo/base/clock.hpp"
#include "libgrpo/remote/server_error.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <nlohmann/json.hpp>

namespace grpo::remote {
namespace {

using Json = nlohmann::json;
using std::int64_t;

[[noreturn]] void refuse(const GenerationServer& server, const char* what, const char* instead) {
  throw ServerError(Trouble::refused, fmt::format("{} is {}, which takes no {}; {}", server.address().url(),
                                                  to_string(server.identity().kind), what, instead));
}

}  // namespace

void compare_checksums(const GenerationServer& server, const std::string& answer, const std::string& published) {
  const Json json = Json::parse(answer, nullptr, false);
  if (!json.is_object() || !json.contains("checksum") || json["checksum"] == published) return;
  throw ServerError(Trouble::damaged, fmt::format("{} loaded weights of checksum {:.40}, but those that the trainer gave it have \"{}\": "
                                                  "they were damaged on the way",
                                                  server.address().url(), json["checksum"].dump(), published));
}

std::string FolderChannel::what_was_done(int64_t version) const {
  return fmt::format("wrote the {} of step {} to {}", adapters_ ? "adapters" : "weights", version, folders_.path(version).string());
}

std::string FolderChannel::publish(const CausalLm& model, int64_t version, bool leads) {
  if (!leads) return {};
  const auto merged = adapters_ ? nullptr : merged_copy(model, folders_.folder() / "step-adapters");
  return folders_.write(merged ? *merged : model, version);
}

void FolderChannel::heard(const std::string& from_rank_0, int64_t /*version*/) {
  const std::lock_guard lock(mutex_);
  checksum_ = from_rank_0;
}

void FolderChannel::doubt(const GenerationServer& server) {
  const std::lock_guard lock(mutex_);
  loaded_.erase(&server);
}

void FolderChannel::give(const GenerationServer& server, const Stamp& stamp, double seconds) {
  const Stopwatch watch;
  const ServerKind kind = server.identity().kind;
  if (kind != ServerKind::grpo_serve && kind != ServerKind::vllm)
    refuse(server, "weights from files", "it can be sampled from as it is: --vllm_sync_interval_steps 0");
  std::string checksum;
  {
    const std::lock_guard lock(mutex_);
    checksum = checksum_;
  }
  if (adapters_) return give_adapters(server, stamp, checksum, seconds);
  const std::string folder = folders_.path(stamp.version).string();
  if (kind == ServerKind::grpo_serve)
    return compare_checksums(server, server.call("/update_weights", Json{{"path", folder}, {"version", stamp.number}}.dump(), seconds),
                             checksum);
  static_cast<void>(
      server.call("/collective_rpc", Json{{"method", "reload_weights"}, {"kwargs", {{"weights_path", folder}}}}.dump(), seconds));
  server.took_weights(stamp.number, std::max(1.0, seconds - watch.seconds()));
}

void FolderChannel::give_adapters(const GenerationServer& server, const Stamp& stamp, const std::string& checksum, double seconds) {
  const bool own = server.identity().kind == ServerKind::grpo_serve;
  const std::string name = GenerationServer::adapter_name(stamp.number);
  Json body = {{"lora_name", name}, {"lora_path", folders_.path(stamp.version).string()}};
  if (own) body["version"] = stamp.number;
  compare_checksums(server, server.call("/v1/load_lora_adapter", body.dump(), seconds), checksum);
  if (own) return;
  server.sample_with(name);
  std::string before;
  {
    const std::lock_guard lock(mutex_);
    before = std::exchange(loaded_[&server], name);
  }
  if (before.empty() || before == name) return;
  static_cast<void>(server.call("/v1/unload_lora_adapter", Json{{"lora_name", before}}.dump(), seconds));
}

}  // namespace grpo::remote
