/// A program that answers lines with lines, through pipes, within limits of time and length. Internal to reward/.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace grpo::detail {

/// One process with a process group of its own, which ends with this object. thread: one at a time
class LineProcess {
 public:
  using Clock = std::chrono::steady_clock;
  enum class Outcome { line, timed_out, closed, too_long };

  /// `words`: program, looked up in PATH, and arguments. It inherits the environment, no files and no blocked signals.
  /// throws: Error{backend} if it cannot be started
  explicit LineProcess(const std::vector<std::string>& words);
  /// Its input ends; what still runs of its group a moment later is killed.
  ~LineProcess();
  LineProcess(const LineProcess&) = delete;
  LineProcess& operator=(const LineProcess&) = delete;

  /// Writes `line` and a line break, and reads one line of at most `longest` bytes. What the program says on its standard error is
  /// read along; of that the end is kept. After anything but Outcome::line the program is of no use any more.
  Outcome exchange(std::string_view line, std::string& answer, Clock::time_point deadline, std::size_t longest);

  /// Kills the group, and says how the program ended: "exited with 1: its last words", "was killed by signal 9".
  std::string end();

 private:
  struct Impl;  // Boost stays out of headers
  std::unique_ptr<Impl> impl_;
};

}  // namespace grpo::detail
