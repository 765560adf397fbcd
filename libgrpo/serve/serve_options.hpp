/// What grpo_serve is told besides a recipe's options (model, type of weights, chat template, threads).
#pragma once

#include "libgrpo/config/field.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace grpo {

/// Names are vLLM's where it has the option.
struct ServeOptions {
  std::string host = "127.0.0.1";
  std::int64_t port = 8000;
  std::optional<std::string> served_model_name;
  std::optional<std::string> api_key;
  bool enable_weight_updates = false;
  std::int64_t max_num_seqs = 256;
  std::int64_t max_waiting_requests = 512;
  double kv_cache_gb = 4.0;
  std::int64_t prefix_cache_tokens = 8192;
  std::int64_t max_connections = 256;
  std::int64_t max_body_mb = 32;
  std::int64_t request_timeout = 30;
  std::int64_t drain_timeout = 30;
};

/// The own options of the app. `options` must outlive them.
std::vector<Field> serve_fields(ServeOptions& options);

}  // namespace grpo
