#include "apps/ranks.hpp"

#include "apps/app.hpp"
#include "libgrpo/base/error.hpp"

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <thread>

namespace grpo::app {

Log rank_log(const Launch& launch) {
  if (launch.rank == 0) return stderr_log();
  return Log([rank = launch.rank](LogLevel level, std::string_view text) {
    if (level == LogLevel::warning) std::cerr << "rank " << rank << ": warning: " << text << std::endl;
  });
}

void share_cores(const Launch& launch, std::int64_t& num_threads) {
  if (num_threads > 0 || launch.local_size == 1 || std::getenv("OMP_NUM_THREADS") != nullptr) return;
  num_threads = std::max<std::int64_t>(1, static_cast<std::int64_t>(std::thread::hardware_concurrency()) / launch.local_size);
}

int on_all_ranks(const char* name, const Launch& launch, const DistOptions& options, const std::function<int(World&)>& body) {
  WorldOptions world_options;
  world_options.timeout = std::chrono::seconds(options.ddp_timeout);
  world_options.nccl = options.ddp_backend != DdpBackend::gloo;
  world_options.on_lost = [&](const std::string& why) {
    std::cerr << name << ": " << to_string(ErrorKind::backend) << " error: " << why << std::endl;
    std::_Exit(exit_code(ErrorKind::backend));
  };
  const auto world = make_world(launch, world_options);
  try {
    return body(*world);
  } catch (const std::exception& error) {
    world->give_up(error.what());
    throw;
  }
}

}  // namespace grpo::app
