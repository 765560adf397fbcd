/// A device that no machine has, so that what holds of every GPU can be tested without one.
///
/// It is libtorch's backend for devices of others (at::kPrivateUse1). Its memory has two addresses: the one that tensors tell, which
/// nobody may touch, and one that its operators know. So a host that reads or writes a tensor of the device dies of it (SIGSEGV), as it
/// would with CUDA, and what an operator is given must all lie on the device: anything else is an error that names operator and argument.
/// Where CUDA takes a number from the host (a 0-dimensional operand) this device does. Operators are computed by the CPU's kernels, so
/// in float32 results differ from the CPU's own only where the library takes another way.
/// What it cannot show: asynchrony, streams, the kernels of CUDA and their limits.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace grpo::testing {

/// There are two, so that two ranks in one process can have one each: autograd has a thread for each device.
inline const at::Device kFake{at::kPrivateUse1, 0}, kOtherFake{at::kPrivateUse1, 1};

/// Makes libtorch take the device for this machine's accelerator, which autograd wants; once, before any use.
void register_fake_device();

/// Bytes of both that tensors hold, and the most they ever held since the last call of reset_fake_peak().
std::int64_t fake_bytes();
std::int64_t fake_peak();
void reset_fake_peak();

}  // namespace grpo::testing
