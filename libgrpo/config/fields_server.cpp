#include "libgrpo/config/field_builders.hpp"

namespace grpo {

using namespace field_list;

std::vector<Field> server_fields(ServerOptions& o) {
  return {
      {"server", "use_vllm", &o.use_vllm, "", "let vllm_mode decide who samples; false: the built-in engine"},
      {"server", "vllm_mode", one_of(o.vllm_mode, {"auto", "colocate", "server"}), "",
       "server: a running vLLM or grpo_serve samples; colocate: the built-in engine; auto: a server if its address is given"},
      {"server", "vllm_server_base_url", &o.vllm_server_base_url, "urls",
       "addresses of the servers, such as http://127.0.0.1:8000; of several, each gets a share of the prompts"},
      {"server", "vllm_server_host", &o.vllm_server_host, "host",
       "where the server is, if vllm_server_base_url does not say; unset: 127.0.0.1"},
      {"server", "vllm_server_port", &o.vllm_server_port, "port", "its port there", closed(1, 65535)},
      {"server", "vllm_server_timeout", &o.vllm_server_timeout, "seconds",
       "how long a server that does not answer yet is waited for at the start", above(0)},
      {"server", "vllm_url", &o.vllm_url, "url", "address of the server as maxent-grpo writes it: http://localhost:8000/generate"},
      {"server", "vllm_request_timeout", &o.vllm_request_timeout, "seconds",
       "how long one request may take, and how long failed ones are made again", above(0)},
      {"server", "vllm_retry_sleep", &o.vllm_retry_sleep, "seconds",
       "wait before the second attempt; it doubles with each further one, up to 10 seconds", above(0)},
      {"server", "vllm_max_completion_rounds", &o.vllm_max_completion_rounds, "rounds",
       "how often completions that are missing or unusable in an answer are asked for again; 0: num_generations times", count(0)},
      {"server", "vllm_backfill_with_model", &o.vllm_backfill_with_model, "",
       "sample with the built-in engine what the servers fail to give; false: the run ends with an error"},
      {"server", "vllm_sync_interval_steps", &o.vllm_sync_interval_steps, "steps",
       "the servers get new weights before they sample, if theirs are so many steps old; 0: never, they keep the weights they have",
       count(0)},
      {"server", "vllm_sync_method", one_of(o.vllm_sync_method, {"auto", "files", "nccl", "adapters", "memory"}), "",
       "how weights get to the servers: files: through vllm_sync_dir; nccl: broadcasts to vLLM or TRL's server; adapters: those of "
       "use_peft "
       "alone, through vllm_sync_dir; memory: shared with a grpo_serve on this host; auto: nccl for TRL's server, files for others"},
      {"server", "vllm_group_port", &o.vllm_group_port, "port",
       "where trainer and servers meet for nccl; of several vLLM servers, the second meets one port higher and so on; 0: any free one",
       closed(0, 65535)},
      {"server", "vllm_sync_dir", &o.vllm_sync_dir, "path",
       "folder through which weights go to the servers; they must see it under this path; unset: weights_for_servers in output_dir"},
      {"server", "async_generation", &o.async_generation, "",
       "the servers sample the next batches while this process trains; their weights are then older, which importance sampling corrects"},
      {"server", "max_staleness_steps", &o.max_staleness_steps, "steps",
       "how many updates old the weights may be that began a batch, with async_generation; 0: every batch waits for the newest", count(0)},
  };
}

}  // namespace grpo
