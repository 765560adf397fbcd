/// Whether an exception says that memory ran out.
#pragma once

#include <exception>

namespace grpo {

/// std::bad_alloc, and what libtorch's allocators throw, of the CPU and of GPUs.
bool is_out_of_memory(const std::exception& error);

}  // namespace grpo
