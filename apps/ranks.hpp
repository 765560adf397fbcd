/// What a program does to be one of several ranks.
#pragma once

#include "libgrpo/base/log.hpp"
#include "libgrpo/config/dist_options.hpp"
#include "libgrpo/dist/world.hpp"

#include <cstdint>
#include <functional>

namespace grpo::app {

/// Messages to stderr: all of rank 0's, the warnings of the others with their rank in front.
Log rank_log(const Launch& launch);

/// num_threads 0 on a host with several ranks: each takes its share of the cores, unless OMP_NUM_THREADS says how many.
void share_cores(const Launch& launch, std::int64_t& num_threads);

/// Meets the other ranks and runs `body`. An exception is told to them, and passed on. When another rank is lost, this process
/// says so and ends at once with exit code 4 (backend), whatever it is doing.
int on_all_ranks(const char* name, const Launch& launch, const DistOptions& options, const std::function<int(World&)>& body);

}  // namespace grpo::app
