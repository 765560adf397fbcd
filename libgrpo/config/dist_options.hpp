/// Options of a run on several ranks ([dist]). What each means is said in the field list (fields_dist.cpp).
#pragma once

#include <cstdint>

namespace grpo {

enum class DdpBackend { automatic, gloo, nccl };  ///< automatic: nccl where weights live on GPUs

/// Names and defaults are those of transformers' TrainingArguments, accelerate and DeepSpeed (zero_stage).
struct DistOptions {
  std::int64_t num_processes = 1;  ///< as many as were started
  DdpBackend ddp_backend = DdpBackend::automatic;
  std::int64_t ddp_timeout = 1800;      ///< seconds
  std::int64_t ddp_bucket_cap_mb = 25;  ///< MiB
  std::int64_t zero_stage = 0;          ///< 0: every rank keeps everything
  bool operator==(const DistOptions&) const = default;
};

}  // namespace grpo
