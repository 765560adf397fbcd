#include "libgrpo/dist/launch.hpp"

#include "libgrpo/base/error.hpp"

#include <charconv>
#include <cstdlib>
#include <fmt/format.h>
#include <optional>
#include <string_view>

namespace grpo {
namespace {

[[noreturn]] void refuse(const std::string& why) { throw Error(ErrorKind::recipe, why); }

/// The variables of one launcher.
struct Names {
  const char *launcher, *rank, *size, *local_rank, *local_size;
};

constexpr Names kByHand{"RANK and WORLD_SIZE", "RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"};
constexpr Names kOpenMpi{"mpirun", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK",
                         "OMPI_COMM_WORLD_LOCAL_SIZE"};
constexpr Names kPmi{"mpirun", "PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", "MPI_LOCALNRANKS"};
constexpr Names kSlurm{"srun", "SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID", "SLURM_NTASKS_PER_NODE"};

class Reader {
 public:
  explicit Reader(const Environment& environment) : environment_(environment) {}

  [[nodiscard]] std::string text(const char* name) const {
    const char* value = environment_(name);
    return value == nullptr ? std::string() : std::string(value);
  }
  [[nodiscard]] bool has(const char* name) const { return !text(name).empty(); }
  [[nodiscard]] int number(const char* name, int low, int high) const {
    const std::string value = text(name);
    int found = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), found);
    if (error != std::errc() || end != value.data() + value.size() || found < low || found > high)
      refuse(fmt::format("environment: {}={} is no number from {} to {}", name, value, low, high));
    return found;
  }

  /// Nothing if this launcher's variables are not there.
  [[nodiscard]] std::optional<Launch> launch(const Names& names) const {
    const bool rank = has(names.rank), size = has(names.size);
    if (!rank && !size) return std::nullopt;
    if (rank != size)
      refuse(fmt::format("environment: {} is set and {} is not; start every rank with both, or unset it", rank ? names.rank : names.size,
                         rank ? names.size : names.rank));
    constexpr int kMost = 1 << 20;
    Launch found;
    found.launcher = names.launcher;
    found.size = number(names.size, 1, kMost);
    found.rank = number(names.rank, 0, found.size - 1);
    if (has(names.local_rank)) found.local_rank = number(names.local_rank, 0, found.rank);
    if (has(names.local_size)) found.local_size = number(names.local_size, 1, kMost);
    return found;
  }

 private:
  const Environment& environment_;
};

std::optional<Launch> find_launcher(const Reader& env) {
  for (const Names* names : {&kByHand, &kOpenMpi, &kPmi})
    if (auto found = env.launch(*names)) return found;
  // A batch script sees SLURM_PROCID=0 and the job's SLURM_NTASKS although nobody started the other tasks.
  if (!env.has("SLURM_STEP_ID") && !env.has("SLURM_STEPID")) return std::nullopt;
  return env.launch(kSlurm);
}

bool on_one_host(const Reader& env, const Launch& launch) {
  if (launch.launcher == kSlurm.launcher) {
    const char* nodes = env.has("SLURM_STEP_NUM_NODES") ? "SLURM_STEP_NUM_NODES" : "SLURM_NNODES";
    return !env.has(nodes) || env.number(nodes, 1, 1 << 20) == 1;
  }
  return launch.launcher == kByHand.launcher || launch.local_size == launch.size;
}

void find_meeting_point(const Reader& env, Launch& launch) {
  if (env.has("MASTER_PORT")) launch.port = env.number("MASTER_PORT", 1, 65535);
  if (env.has("MASTER_ADDR")) {
    launch.address = env.text("MASTER_ADDR");
  } else if (!on_one_host(env, launch)) {
    refuse(
        fmt::format("environment: {} started {} ranks on several hosts, and MASTER_ADDR does not say where they meet; export "
                    "MASTER_ADDR=<the host of rank 0> (under Slurm: scontrol show hostnames \"$SLURM_JOB_NODELIST\" | head -n 1)",
                    launch.launcher, launch.size));
  }
  if (env.text("TORCHELASTIC_USE_AGENT_STORE") == "True")
    launch.agent_prefix = "/libgrpo/attempt_" + (env.has("TORCHELASTIC_RESTART_COUNT") ? env.text("TORCHELASTIC_RESTART_COUNT") : "0");
}

}  // namespace

Launch read_launch(const Environment& environment) {
  const Reader env(environment);
  auto launch = find_launcher(env);
  if (!launch || launch->size == 1) return {};
  find_meeting_point(env, *launch);
  if (launch->local_size == 1 && on_one_host(env, *launch) && launch->address == "127.0.0.1") launch->local_size = launch->size;
  return *launch;
}

Launch read_launch() {
  return read_launch([](const char* name) { return static_cast<const char*>(std::getenv(name)); });
}

}  // namespace grpo
