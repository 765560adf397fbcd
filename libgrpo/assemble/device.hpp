/// Which device a process computes on.
#pragma once

#include "libgrpo/config/recipe.hpp"

#include <ATen/core/Tensor.h>

#include <optional>

namespace grpo {

/// The GPU of this process, or the CPU. `gpus`: how many are visible; nothing: libtorch was built without CUDA.
/// A process that sees one GPU takes it (a launcher that binds GPUs shows each rank its own), else that of its local rank.
/// throws: Error{recipe} if device is cuda and there is none, or if there are fewer GPUs than ranks here
at::Device choose_device(DeviceKind wish, std::optional<int> gpus, int local_rank);

/// The same of this process; from here on it is this thread's GPU.
/// throws: likewise, and Error{recipe} for ddp_backend nccl that this build, or the device, does not have
at::Device device_of(const Recipe& recipe);

}  // namespace grpo
