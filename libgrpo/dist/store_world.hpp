/// A World over any c10d store. make_world() brings a TCPStore; ranks that are threads of one process share a HashStore.
#pragma once

#include "libgrpo/dist/world.hpp"

#include <torch/csrc/distributed/c10d/Store.hpp>

#include <memory>
#include <string>

namespace grpo {

/// `interface`: address that Gloo binds to; empty: that of the host's name, or what GLOO_SOCKET_IFNAME names
std::unique_ptr<World> make_store_world(c10::intrusive_ptr<c10d::Store> store, int rank, int size, const WorldOptions& options,
                                        const std::string& interface, const std::string& holder = "rank 0");

}  // namespace grpo
