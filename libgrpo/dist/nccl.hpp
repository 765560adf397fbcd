/// The one place that knows whether this build has NCCL (CMake option GRPO_WITH_CUDA).
#pragma once

#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include <chrono>

namespace grpo {

bool has_nccl();

/// A group that carries tensors on GPUs; it meets in `store` at its first collective, with the GPUs of the tensors it is given.
/// throws: Error{contract} where has_nccl() is false
c10::intrusive_ptr<c10d::Backend> make_nccl_group(c10::intrusive_ptr<c10d::Store> store, int rank, int size,
                                                  std::chrono::milliseconds timeout);

}  // namespace grpo
