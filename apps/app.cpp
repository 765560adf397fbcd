#include "apps/app.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/config/print.hpp"

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <iostream>
#include <new>
#include <unistd.h>

namespace grpo::app {
namespace {

std::atomic<bool> stop{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler may only touch lock-free atomics");

void on_signal(int number) {
  if (stop.exchange(true) && number == SIGINT) std::_Exit(130);
}

}  // namespace

int guarded(const char* name, const std::function<int()>& body) {
  try {
    return body();
  } catch (const Error& error) {
    std::cerr << name << ": " << to_string(error.kind()) << " error: " << error.what() << std::endl;
    return exit_code(error.kind());
  } catch (const std::bad_alloc&) {
    std::cerr << name << ": backend error: out of memory; lower token_budget or max_completion_length" << std::endl;
    return exit_code(ErrorKind::backend);
  } catch (const std::exception& error) {
    std::cerr << name << ": backend error: " << error.what() << std::endl;
    return exit_code(ErrorKind::backend);
  }
}

bool answered(const CommandLine& line, const char* name, const std::function<std::string()>& help) {
  if (line.help) std::cout << help();
  if (!line.help && line.version) std::cout << name << " " << GRPO_VERSION << "\n";
  return line.help || line.version;
}

bool answered(const CommandLine& line, const LoadedRecipe& loaded, const Log& log) {
  if (line.print_config) {
    std::cout << to_toml(loaded, true);
    return true;
  }
  for (const std::string& note : loaded.notes) log.info(note);
  return false;
}

Log stderr_log() {
  return Log(
      [](LogLevel level, std::string_view text) { std::cerr << (level == LogLevel::warning ? "warning: " : "") << text << std::endl; });
}

const std::atomic<bool>& stop_on_signals() {
  for (const int number : {SIGINT, SIGTERM, SIGUSR1}) std::signal(number, on_signal);
  return stop;
}

bool stdout_is_live() {
  const char* terminal = std::getenv("TERM");
  return isatty(STDOUT_FILENO) != 0 && terminal != nullptr && std::strcmp(terminal, "dumb") != 0;
}

}  // namespace grpo::app
