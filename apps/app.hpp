/// What all apps share: errors to exit codes, messages to stderr, signals to a flag.
#pragma once

#include "libgrpo/base/log.hpp"
#include "libgrpo/config/load.hpp"

#include <atomic>
#include <functional>
#include <string>

namespace grpo::app {

/// Runs `body`; an Error is shown on stderr and becomes its exit code, any other exception becomes 4 (backend).
int guarded(const char* name, const std::function<int()>& body);

/// Answers --help (with `help`) and --version; true if the app is done with that.
bool answered(const CommandLine& line, const char* name, const std::function<std::string()>& help);

/// Answers --print_config, true if the app is done with that; else passes the recipe's notes on.
bool answered(const CommandLine& line, const LoadedRecipe& loaded, const Log& log);

/// Messages to stderr, warnings marked.
Log stderr_log();

/// True once SIGINT, SIGTERM or SIGUSR1 arrived. The second SIGINT ends the process at once.
const std::atomic<bool>& stop_on_signals();

/// Whether stdout is a terminal that can redraw a line.
bool stdout_is_live();

}  // namespace grpo::app
