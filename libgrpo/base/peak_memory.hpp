/// The most memory that this process ever had in RAM.
#pragma once

namespace grpo {

/// unit: bytes; pages of mapped files that were read count as well. As the kernel accounts it (ru_maxrss)
double peak_resident_bytes();

}  // namespace grpo
