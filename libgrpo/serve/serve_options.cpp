#include "libgrpo/serve/serve_options.hpp"

#include "libgrpo/config/field_builders.hpp"

namespace grpo {

using namespace field_list;

std::vector<Field> serve_fields(ServeOptions& o) {
  return {
      {"serve", "host", &o.host, "address", "address to listen on; 0.0.0.0: all, which wants an --api_key"},
      {"serve", "port", &o.port, "number", "port to listen on; 0: any that is free", closed(0, 65535)},
      {"serve", "served_model_name", &o.served_model_name, "text", "name of the model in requests; unset: model_name_or_path"},
      {"serve", "api_key", &o.api_key, "text", "key that requests must bring; unset: that of the environment, GRPO_SERVE_API_KEY, or none"},
      {"serve", "enable_weight_updates", &o.enable_weight_updates, "", "let clients pause the engine and give it other weights"},
      {"serve", "max_num_seqs", &o.max_num_seqs, "completions", "completions that grow at once", closed(1, 65536)},
      {"serve", "max_waiting_requests", &o.max_waiting_requests, "requests", "requests that may wait; a further one is answered 429",
       count(1)},
      {"serve", "kv_cache_gb", &o.kv_cache_gb, "GB", "memory for keys and values", left_open(0, 1e6)},
      {"serve", "prefix_cache_tokens", &o.prefix_cache_tokens, "tokens", "prompts kept for later ones that begin alike; 0: none", count(0)},
      {"serve", "max_connections", &o.max_connections, "connections", "connections served at once", closed(1, 900)},
      {"serve", "max_body_mb", &o.max_body_mb, "MB", "largest body of a request", closed(1, 4096)},
      {"serve", "request_timeout", &o.request_timeout, "seconds", "time until a request must have come whole", closed(1, 3600)},
      {"serve", "drain_timeout", &o.drain_timeout, "seconds", "time for what runs when a signal ends the server; then it is cut short",
       closed(0, 86400)},
  };
}

}  // namespace grpo
