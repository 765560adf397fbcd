/// NCCL and the CUDA driver, opened when they are needed: nothing is linked to them, and a build of libtorch for CPUs is enough.
///
/// Only what a broadcast takes: a communicator, memory of the GPU, copies to it from wherever a tensor lies.
/// Source: NVIDIA's NCCL user guide (API, version 2) and CUDA driver API reference (version 12). Never run with real GPUs so far.
#pragma once

#include "libgrpo/remote/pickles.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace grpo::remote {

/// Numbers of NCCL's data types (nccl.h, ncclDataType_t).
enum class NcclType : int { int8 = 0, uint8 = 1, int32 = 2, int64 = 4, float16 = 6, float32 = 7, float64 = 8, bfloat16 = 9 };

/// One GPU as this process sees it, the driver and NCCL.
/// thread: all members from any thread
class Gpu {
 public:
  /// `device`: of those that CUDA_VISIBLE_DEVICES leaves.
  /// throws: Error{backend} naming the library that cannot be opened, the function that it lacks, or the driver's reason
  explicit Gpu(const std::string& nccl = "libnccl.so.2", const std::string& driver = "libcuda.so.1", int device = 0);
  ~Gpu();
  Gpu(const Gpu&) = delete;
  Gpu& operator=(const Gpu&) = delete;

  /// As torch prints it: 8-4-4-4-12 hexadecimal digits.
  [[nodiscard]] std::string uuid() const;
  /// throws: Error{backend}
  [[nodiscard]] NcclId new_id() const;

 private:
  friend class GpuMemory;
  friend class NcclCommunicator;
  struct Functions;
  /// Every thread that calls the driver or NCCL needs the GPU's context.
  void enter() const;
  void check(int driver_code, const char* what) const;
  void check_nccl(int code, const char* what) const;

  std::unique_ptr<const Functions> functions_;
  int device_ = 0;
  void* context_ = nullptr;
};

/// throws: Error{backend}, as its members
class GpuMemory {
 public:
  GpuMemory(const Gpu& gpu, std::size_t bytes);
  ~GpuMemory();
  GpuMemory(const GpuMemory&) = delete;
  GpuMemory& operator=(const GpuMemory&) = delete;

  /// From memory of the host or of a GPU.
  void fill(std::size_t offset, const void* from, std::size_t bytes);
  [[nodiscard]] std::size_t size() const { return bytes_; }
  [[nodiscard]] void* data() const { return reinterpret_cast<void*>(address_); }

 private:
  const Gpu& gpu_;
  std::size_t bytes_;
  unsigned long long address_ = 0;
};

/// One rank of a group that NCCL joined.
class NcclCommunicator {
 public:
  /// Returns when all ranks have come, with no limit of time, and has then summed one number over all ranks, as vLLM's ranks do.
  /// throws: Error{backend} with NCCL's reason
  NcclCommunicator(const Gpu& gpu, const NcclId& id, int rank, int size);
  ~NcclCommunicator();
  NcclCommunicator(const NcclCommunicator&) = delete;
  NcclCommunicator& operator=(const NcclCommunicator&) = delete;

  /// From this rank to all; returns when it is done. throws: Error{backend}, also once it was broken off
  void broadcast(const GpuMemory& memory, std::int64_t count, NcclType type);
  /// Ends what another thread waits for here.
  void break_off();

 private:
  const Gpu& gpu_;
  const int rank_;
  std::atomic<void*> communicator_{nullptr};
};

}  // namespace grpo::remote
