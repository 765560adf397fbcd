/// Memory in pages of 2 MB instead of 4 KB, where the system offers them (transparent huge pages of Linux).
///
/// Products of matrices walk through far more memory than a processor keeps page addresses of. Measured figures: docs/kernels.md.
#pragma once

namespace grpo {

/// From here on malloc() takes its memory from one place that asks for large pages, and keeps what is freed for the next allocation, as a
/// training run does with the activations of part after part. A setting of the whole process, so for programs to make, at their start.
/// Does nothing where the C library is not glibc or the system has no such pages. cost: address space, not memory
void prefer_large_pages();

}  // namespace grpo
