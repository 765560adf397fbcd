/// Several ranks as threads of one process, meeting in a store in memory.
#pragma once

#include "libgrpo/dist/store_world.hpp"

#include <torch/csrc/distributed/c10d/HashStore.hpp>

#include <exception>
#include <functional>
#include <thread>
#include <vector>

namespace grpo::testing {

inline WorldOptions quick_options() {
  WorldOptions options;
  options.timeout = std::chrono::seconds(20);
  options.beat = std::chrono::milliseconds(100);
  options.lost_after = std::chrono::seconds(2);
  return options;
}

/// Runs body(world) on every rank; rethrows the first exception when all have ended.
inline void on_ranks(int size, const std::function<void(World&)>& body, const WorldOptions& options = quick_options()) {
  const auto store = c10::make_intrusive<c10d::HashStore>();
  std::vector<std::exception_ptr> failures(static_cast<std::size_t>(size));
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank)
    threads.emplace_back([&, rank] {
      try {
        const auto world = make_store_world(store, rank, size, options, "127.0.0.1");
        body(*world);
      } catch (...) {
        failures[static_cast<std::size_t>(rank)] = std::current_exception();
      }
    });
  for (std::thread& thread : threads) thread.join();
  for (const auto& failure : failures)
    if (failure) std::rethrow_exception(failure);
}

}  // namespace grpo::testing
