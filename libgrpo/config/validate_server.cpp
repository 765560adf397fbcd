#include "libgrpo/config/checks.hpp"

namespace grpo {
namespace {

std::string why_not_an_address(const std::string& url) {
  constexpr const char* kExample = ": expected an address such as http://127.0.0.1:8000";
  if (url.starts_with("https://"))
    return '"' + url + "\": servers are spoken to without TLS; give the http:// address of a proxy or tunnel";
  const bool good = url.starts_with("http://") && url.size() > 7 && url[7] != '/' && url.find_first_of(" \t\r\n\"") == std::string::npos;
  return good ? std::string() : '"' + url + '"' + kExample;
}

void check_async(const Recipe& recipe, Problems& problems) {
  const ServerOptions& server = recipe.server;
  if (!server.async_generation) return;
  if (!server.uses_server())
    problems.push_back(
        {{"async_generation", "use_vllm"}, "samples on a server while this process trains; name one (vllm_server_base_url)"});
  if (recipe.dist.num_processes > 1)
    problems.push_back({{"async_generation", "num_processes"}, "works with one training process so far; leave it off with several"});
  if (server.vllm_sync_interval_steps == 0 || server.vllm_sync_interval_steps > server.max_staleness_steps + 1)
    problems.push_back(
        {{"max_staleness_steps", "vllm_sync_interval_steps"},
         "servers get weights too rarely for a batch ever to be begun; max_staleness_steps must be at least vllm_sync_interval_steps - 1"});
}

void check_sync(const Recipe& recipe, Problems& problems) {
  const ServerOptions& server = recipe.server;
  if (server.vllm_sync_method == VllmSyncMethod::automatic) return;
  if (!server.uses_server())
    problems.push_back({{"vllm_sync_method", "use_vllm"}, "says how servers get weights, but none is named (vllm_server_base_url)"});
  if (server.vllm_sync_method == VllmSyncMethod::adapters && !recipe.policy.use_peft)
    problems.push_back({{"vllm_sync_method", "use_peft"}, "adapters are sent alone, but use_peft is false and there are none"});
}

}  // namespace

void check_server(const Recipe& recipe, Problems& problems) {
  const ServerOptions& server = recipe.server;
  for (const std::string& url : server.vllm_server_base_url)
    if (const std::string why = why_not_an_address(url); !why.empty()) problems.push_back({{"vllm_server_base_url"}, why});
  if (server.vllm_url)
    if (const std::string why = why_not_an_address(*server.vllm_url); !why.empty()) problems.push_back({{"vllm_url"}, why});
  if (server.vllm_server_host && server.vllm_server_host->find_first_of(" /:\"") != std::string::npos)
    problems.push_back({{"vllm_server_host"}, '"' + *server.vllm_server_host + "\": expected the name or the IPv4 address of a host"});
  if (!server.vllm_server_base_url.empty() && !server.use_vllm)
    problems.push_back({{"vllm_server_base_url", "use_vllm"}, "servers are named, but use_vllm is false; set it to true, or name none"});
  check_async(recipe, problems);
  check_sync(recipe, problems);
  if (server.vllm_server_host && server.vllm_server_host->empty()) problems.push_back({{"vllm_server_host"}, "must not be empty"});
  if (server.vllm_sync_dir && server.vllm_sync_dir->empty()) problems.push_back({{"vllm_sync_dir"}, "must not be empty"});
}

}  // namespace grpo
