/// Where the library's messages go. The library never prints: an app installs a sink, the default drops everything.
///
/// thread: log() may be called from any thread; the sink is called by one thread at a time.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace grpo {

enum class LogLevel { info, warning };

/// Passed down by reference from the app; there is no global logger.
class Log {
 public:
  using Sink = std::function<void(LogLevel, std::string_view)>;

  Log() = default;
  explicit Log(Sink sink) : sink_(std::move(sink)) {}

  void info(std::string_view text) const { emit(LogLevel::info, text); }
  void warning(std::string_view text) const { emit(LogLevel::warning, text); }

 private:
  void emit(LogLevel level, std::string_view text) const;
  Sink sink_;
};

}  // namespace grpo
