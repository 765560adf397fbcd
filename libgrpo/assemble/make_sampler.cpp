#include "libgrpo/assemble/make_sampler.hpp"

#include "libgrpo/remote/remote_sampler.hpp"
#include "libgrpo/sampler/in_process_sampler.hpp"

#include <cstdlib>
#include <filesystem>
#include <sstream>

namespace grpo {
namespace {

constexpr std::string_view kGenerate = "/generate";  // what maxent-grpo's vllm_url ends with

/// Not an option: options are printed, and seen in the list of processes.
std::string api_key() {
  for (const char* name : {"GRPO_SERVE_API_KEY", "VLLM_API_KEY"})
    if (const char* key = std::getenv(name); key != nullptr) return key;
  return {};
}

}  // namespace

std::vector<std::string> server_urls(const ServerOptions& o) {
  if (!o.uses_server()) return {};
  std::vector<std::string> urls;
  for (const std::string& entry : o.vllm_server_base_url) {
    std::istringstream parts(entry);
    for (std::string url; std::getline(parts, url, ',');) urls.push_back(url);
  }
  if (!urls.empty()) return urls;
  if (o.vllm_url && !o.vllm_server_host) {
    std::string url = *o.vllm_url;
    while (url.ends_with('/')) url.pop_back();
    if (url.ends_with(kGenerate)) url.resize(url.size() - kGenerate.size());
    return {url};
  }
  return {"http://" + o.vllm_server_host.value_or("127.0.0.1") + ":" + std::to_string(o.vllm_server_port)};
}

std::unique_ptr<Sampler> make_sampler(const Recipe& recipe, const CausalLm& policy, const Tokenizer& tokenizer, World& world,
                                      const Log& log) {
  const ServerOptions& o = recipe.server;
  if (!o.uses_server()) return std::make_unique<InProcessSampler>(policy, tokenizer);
  remote::RemoteOptions options;
  for (const std::string& url : server_urls(o)) options.servers.push_back(remote::parse_address(url));
  options.api_key = api_key();
  options.start_seconds = o.vllm_server_timeout;
  options.request_seconds = o.vllm_request_timeout;
  options.retry_seconds = o.vllm_retry_sleep;
  options.completion_rounds = o.vllm_max_completion_rounds;
  options.beside_training = o.async_generation;
  options.backfill = o.vllm_backfill_with_model && !o.async_generation;
  options.sync = o.vllm_sync_interval_steps > 0;
  options.method = o.vllm_sync_method;
  options.group_port = static_cast<int>(o.vllm_group_port);
  options.sync_folder = o.vllm_sync_dir.value_or((std::filesystem::path(recipe.run.output_dir) / "weights_for_servers").string());
  options.probe_temperature = recipe.sampling.temperature;
  return std::make_unique<remote::RemoteSampler>(policy, tokenizer, world, log, std::move(options));
}

}  // namespace grpo
