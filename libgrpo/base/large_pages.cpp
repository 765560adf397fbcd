#include "libgrpo/base/large_pages.hpp"

#include <cstdint>
#include <cstdlib>

#if defined(__linux__) && defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__)
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

namespace grpo {
namespace {

constexpr std::uintptr_t kLargePage = std::uintptr_t{2} << 20;

/// Three quarters of the machine's memory. unit: bytes
std::size_t room() {
  const long pages = ::sysconf(_SC_PHYS_PAGES), page = ::sysconf(_SC_PAGESIZE);
  return pages > 0 && page > 0 ? static_cast<std::size_t>(pages) / 4 * 3 * static_cast<std::size_t>(page) : 0;
}

}  // namespace

void prefer_large_pages() {
  if (::mallopt(M_MMAP_MAX, 0) == 0 || ::mallopt(M_TRIM_THRESHOLD, -1) == 0) return;  // -1: never
  // What is freed at the end of the heap stays in it, so the pages of this block are those of the allocations that follow.
  const std::size_t bytes = room();
  void* block = std::malloc(bytes);
  if (block == nullptr) return;
  const auto first = (reinterpret_cast<std::uintptr_t>(block) + kLargePage - 1) / kLargePage * kLargePage;
  const auto last = (reinterpret_cast<std::uintptr_t>(block) + bytes) / kLargePage * kLargePage;
  if (last > first) (void)::madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);  // refused: pages stay small
  std::free(block);
}

}  // namespace grpo
#else
namespace grpo {
void prefer_large_pages() {}
}  // namespace grpo
#endif
