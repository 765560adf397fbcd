/// Which rank of how many this process is, as its launcher says through the environment.
///
///   by hand, torchrun   RANK WORLD_SIZE                                   [LOCAL_RANK LOCAL_WORLD_SIZE]
///   mpirun              OMPI_COMM_WORLD_{RANK,SIZE}, or PMI_{RANK,SIZE}   [OMPI_COMM_WORLD_LOCAL_{RANK,SIZE}]
///   srun                SLURM_PROCID SLURM_NTASKS, inside a job step      [SLURM_LOCALID]
///
/// The first line that is there decides: a Slurm job of one task may start several ranks itself, and mpirun under Slurm sees
/// Slurm's variables too. All of them meet at MASTER_ADDR:MASTER_PORT.
#pragma once

#include <functional>
#include <string>

namespace grpo {

struct Launch {
  std::string launcher = "alone";  ///< "alone", "RANK and WORLD_SIZE", "mpirun" or "srun"
  int rank = 0, size = 1;
  int local_rank = 0, local_size = 1;  ///< among the ranks of this host, as far as the launcher says
  std::string address = "127.0.0.1";
  int port = 29525;
  /// Not empty: torchrun already listens at address:port, and this prefix keeps the attempts of a restarted run apart.
  std::string agent_prefix = {};
};

/// The value of an environment variable; null if it is unset.
using Environment = std::function<const char*(const char*)>;

/// throws: Error{recipe} if a variable is missing beside its partner, is no number or contradicts another, or if several hosts
/// have no MASTER_ADDR
Launch read_launch(const Environment& environment);
/// Of this process.
Launch read_launch();

}  // namespace grpo
