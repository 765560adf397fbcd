#include "libgrpo/config/field_builders.hpp"

namespace grpo {

using namespace field_list;

std::vector<Field> dist_fields(DistOptions& o) {
  return {
      {"dist", "num_processes", &o.num_processes, "ranks",
       "ranks that train together: how many were started (srun, torchrun, mpirun) decides, whatever a recipe says", count(1)},
      {"dist", "ddp_backend", one_of(o.ddp_backend, {"auto", "gloo", "nccl"}), "",
       "what carries tensors between ranks on GPUs; auto: nccl where the program has it, else gloo by copies on the host"},
      {"dist", "ddp_timeout", &o.ddp_timeout, "seconds", "a rank that keeps the others waiting for longer ends the run", count(1)},
      {"dist", "ddp_bucket_cap_mb", &o.ddp_bucket_cap_mb, "MiB",
       "gradients are summed over the ranks so many at a time, while the backward pass still runs", count(1)},
      {"dist", "zero_stage", &o.zero_stage, "",
       "what is divided among the ranks: 0 nothing, 1 the optimizer's state, 2 gradients too, 3 parameters too", closed(0, 3)},
  };
}

}  // namespace grpo
