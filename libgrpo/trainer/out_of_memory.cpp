#include "libgrpo/trainer/out_of_memory.hpp"

#include "libgrpo/tensor/precompiled.hpp"

#include <c10/util/Exception.h>

#include <new>
#include <string_view>

namespace grpo {

/// The CPU's allocator throws a plain c10::Error, which only its text tells from others.
bool is_out_of_memory(const std::exception& error) {
  if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr) return true;
  if (dynamic_cast<const c10::OutOfMemoryError*>(&error) != nullptr) return true;
  const auto* of_torch = dynamic_cast<const c10::Error*>(&error);
  return of_torch != nullptr &&
         std::string_view(of_torch->what_without_backtrace()).find("can't allocate memory") != std::string_view::npos;
}

}  // namespace grpo
