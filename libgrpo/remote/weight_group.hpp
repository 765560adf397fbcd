/// A group of this process and the workers of a server, which weights are broadcast to: a c10d store to meet in, and NCCL.
///
/// Speaks as vLLM's StatelessProcessGroup and PyNcclCommunicator do: rank 0 puts the pickled NCCL id under "broadcast_from/0/0"; all join;
/// a barrier is a text under "broadcast_from/0/N" and the keys arrival_TEXT_RANK and departure_TEXT_RANK.
/// Source: vllm.distributed.utils, vllm.distributed.device_communicators.pynccl, as of vLLM 0.32.
#pragma once

#include "libgrpo/policy/tensor_file.hpp"
#include "libgrpo/remote/gpu_libraries.hpp"

#include <ATen/core/Tensor.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace grpo::remote {

/// Where a group meets.
struct Meeting {
  std::string host;
  int port = 0;
  int rank = 0, size = 2;  ///< rank 0 holds the store
  int listening = -1;      ///< rank 0: a socket that listens there, which the store takes over
  double seconds = 60.0;   ///< of the store; NCCL knows no limit
};

/// A socket at `host` that only who reaches that address can connect to; port 0: any. Returns it and the port.
/// throws: Error{backend} with address and reason
std::pair<int, int> listen_at(const std::string& host, int port);
/// The address of this machine that packets to `host` leave from. throws: Error{backend}
std::string own_address_towards(const std::string& host, int port);

/// Contiguous tensors that travel as one buffer: in their order, each buffer as long as it takes to hold more than `limit` bytes.
/// Returns for each buffer the end of its tensors.
std::vector<std::size_t> packed_ends(const NamedTensors& tensors, std::size_t limit);

/// thread: one caller, and break_off() from others
class WeightGroup {
 public:
  explicit WeightGroup(std::shared_ptr<const Gpu> gpu);
  ~WeightGroup();

  /// Returns when all are there. throws: Error{backend} naming the place and who was waited for
  void meet(const Meeting& meeting);
  /// One tensor by itself, as elements of its type. throws: Error{backend}, as all below
  void send(const at::Tensor& tensor);
  /// tensors[begin, end) as one buffer of bytes.
  void send_packed(const NamedTensors& tensors, std::size_t begin, std::size_t end);
  /// For any rank but 0.
  void barrier(double seconds);
  /// Ends what the other thread waits for: ranks that are to come to the store of this one, or a broadcast; not the joining of NCCL.
  void break_off();

 private:
  struct Store;
  [[nodiscard]] GpuMemory& room_for(std::size_t bytes);
  [[nodiscard]] Bytes next_from_rank_0();

  const std::shared_ptr<const Gpu> gpu_;
  Meeting meeting_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<NcclCommunicator> nccl_;
  std::atomic<NcclCommunicator*> breakable_{nullptr};
  std::atomic<bool> waits_{false}, broken_{false};
  std::unique_ptr<GpuMemory> buffer_;
  std::int64_t heard_ = 0;  // objects of rank 0
};

/// As torch calls a type without "torch.": "bfloat16".
std::string_view dtype_name(at::ScalarType type);

}  // namespace grpo::remote
