/// A whole training run as the apps offer it: plan, steps, evaluation, checkpoints, the finished model, a summary.
#pragma once

#include "libgrpo/assemble/assembly.hpp"

#include <atomic>
#include <ostream>

namespace grpo {

struct RunConsole {
  std::ostream& out;
  bool live = false;  ///< redraw one progress line in place (a terminal)
  const Log& log;
};

/// Runs to the end or until `stop` (on any rank); rank 0 writes the model flat into output_dir. Returns true if finished, false if stopped (the
/// same command continues, from there unless save_on_signal is false). throws: Error
bool run_training(Assembly& assembly, const RunConsole& console, const std::atomic<bool>& stop);

}  // namespace grpo
