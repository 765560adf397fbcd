/// The model of a recipe behind HTTP, as grpo_serve offers it.
#pragma once

#include "libgrpo/base/log.hpp"
#include "libgrpo/config/recipe.hpp"
#include "libgrpo/serve/serve_options.hpp"

#include <atomic>
#include <ostream>

namespace grpo {

struct ServeConsole {
  std::ostream& out;
  const Log& log;
  bool dry_run = false;  ///< open the model, and stop
};

/// Serves until `stop` becomes true; then ends what runs, or cuts it short after drain_timeout.
/// throws: Error{data} on anything wrong with the model, Error{backend} if the port cannot be had
void run_serve(const Recipe& recipe, const ServeOptions& options, const ServeConsole& console, const std::atomic<bool>& stop);

}  // namespace grpo
