/// The live view of a run on a terminal: a block of a few lines, redrawn after every step and, while one is under way, every second. It fits any width: what does not fit is
/// left out, from the right. Colours only where the terminal's user wants them (NO_COLOR, https://no-color.org).
///
///     step   37/200  ━━━━━━━━━───────────────────────  18 %  eta 1h02m
///     reward   0.731  ▁▂▃▃▅▆▇█  answer_accuracy 0.52  format 0.98
///     policy   kl 0.0123  entropy 0.412  grad 0.42  lr 9.1e-07
///     length   mean 23.1  max 48  at the cap 4 %  no signal 25 %
///     time     ██████████▓▓▓▓▓▓▓▒▒  █ sample 1.2 s, 412 tok/s  ▓ train 0.9 s, 960 tok/s
///     memory   1.4 GB at most  checkpoint 30, 2m07s ago
///     now      train 12s
///
/// The last line is there while the run is; before the first step has ended it is the only one.
/// thread: step(), phase(), finish() and say() may be called from several threads
#pragma once

#include "libgrpo/base/clock.hpp"
#include "libgrpo/metrics/progress.hpp"

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <ostream>
#include <string>
#include <thread>
#include <vector>

namespace grpo {

class LiveBlock final : public Progress {
 public:
  /// `columns`: width of the terminal, asked before every drawing
  LiveBlock(std::ostream& out, std::int64_t total_steps, bool colors, std::function<int()> columns)
      : out_(out), total_steps_(total_steps), colors_(colors), columns_(std::move(columns)) {}

  ~LiveBlock() override;
  LiveBlock(const LiveBlock&) = delete;
  LiveBlock& operator=(const LiveBlock&) = delete;

  void step(const ProgressStep& step) override;
  void phase(const std::string& name) override;
  void finish() override;
  /// Takes the block away, runs `print`, which writes whole lines to the same terminal, and draws the block again below them.
  void say(const std::function<void()>& print) override;

 private:
  struct Line;
  [[nodiscard]] std::vector<std::string> render() const;
  void bar_line(Line& line) const;
  void reward_line(Line& line) const;
  void policy_line(Line& line) const;
  void length_line(Line& line) const;
  void time_line(Line& line) const;
  void memory_line(Line& line) const;
  void now_line(Line& line) const;
  void tick();
  void erase();
  void draw();

  std::ostream& out_;
  std::int64_t total_steps_;
  bool colors_;
  std::function<int()> columns_;
  std::mutex mutex_;
  ProgressStep now_;
  std::int64_t first_step_ = -1;
  double seconds_ = 0.0;
  std::vector<double> rewards_;  // the last ones
  std::size_t drawn_ = 0;        // lines of the block on the screen, above the cursor
  std::string phase_;            // empty: between steps, or the run has ended
  Stopwatch since_;              // the phase began
  bool ended_ = false;
  std::condition_variable end_;
  std::thread ticker_;  // draws every second; started by the first phase
};

/// Columns of the terminal on standard output; 80 where that is none.
int terminal_columns();
/// Whether NO_COLOR is unset or empty.
bool wants_colors();

}  // namespace grpo
