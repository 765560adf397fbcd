#include "libgrpo/base/log.hpp"

#include <mutex>

namespace grpo {

void Log::emit(LogLevel level, std::string_view text) const {
  static std::recursive_mutex one_at_a_time;  // a sink may pass a message on to another Log
  if (!sink_) return;
  const std::lock_guard lock(one_at_a_time);
  sink_(level, text);
}

}  // namespace grpo
