/// Options of generation by servers ([server]). What each means is said in the field list (fields_server.cpp).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace grpo {

/// How servers get weights: what the server can (automatic), safetensors in a folder, NCCL broadcasts, adapters alone, memory of one host.
enum class VllmSyncMethod { automatic, files, nccl, adapters, memory };
enum class VllmMode { automatic, colocate, server };  ///< automatic: server if an address of one is given

/// Names are TRL's and maxent-grpo's where they have the option; defaults likewise.
struct ServerOptions {
  bool use_vllm = false;
  VllmMode vllm_mode = VllmMode::automatic;
  std::vector<std::string> vllm_server_base_url;
  std::optional<std::string> vllm_server_host;
  std::int64_t vllm_server_port = 8000;
  double vllm_server_timeout = 240.0;  ///< seconds
  std::optional<std::string> vllm_url;
  double vllm_request_timeout = 600.0;          ///< seconds
  double vllm_retry_sleep = 0.5;                ///< seconds
  std::int64_t vllm_max_completion_rounds = 0;  ///< 0: num_generations
  bool vllm_backfill_with_model = true;
  std::int64_t vllm_sync_interval_steps = 1;  ///< 0: never
  VllmSyncMethod vllm_sync_method = VllmSyncMethod::automatic;
  std::int64_t vllm_group_port = 51216;      ///< of the store through which an NCCL group of weights meets; 0: any free one
  std::optional<std::string> vllm_sync_dir;  ///< unset: a folder of output_dir
  bool async_generation = false;
  std::int64_t max_staleness_steps = 1;
  bool operator==(const ServerOptions&) const = default;

  /// Whether completions come from a server and not from the engine in this process.
  bool uses_server() const {
    const bool named = !vllm_server_base_url.empty() || vllm_server_host || vllm_url;
    return use_vllm && (vllm_mode == VllmMode::server || (vllm_mode == VllmMode::automatic && named));
  }
};

}  // namespace grpo
