/// Runs a program that nobody trusts: with limits on time, memory, files and processes, without network, in a folder of its own that
/// goes away, and with everything it started ended when it ends. Internal to reward/.
///
/// Where the kernel lets this user make namespaces, the program sees no network, no other processes, and a file system that it can only
/// read, but for a folder in memory of bounded size. Where it does not, limits and the end of all it started remain (a parent to which
/// orphans fall, PR_SET_CHILD_SUBREAPER), and note() says what is missing. Root's programs run as another user: limits do not bind root.
/// What it does not bound: the memory of all processes together (each has the limit), and reading files of the machine.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace grpo::detail {

struct JailLimits {
  double seconds = 10.0;               ///< of the clock
  std::int64_t cpu_seconds = 10;       ///< of a processor, for each process
  std::int64_t memory_mb = 1024;       ///< of address space, for each process
  std::int64_t disk_mb = 32;           ///< of a file; with namespaces, of all files
  std::int64_t processes = 32;         ///< threads count as well
  std::size_t output_bytes = 1 << 20;  ///< of standard output
};

struct JailedRun {
  enum class End { exited, signalled, timed_out, too_much_output };
  End end = End::exited;
  int code = 0;        ///< of the exit, or the signal
  std::string output;  ///< standard output, cut at the limit
  std::string error;   ///< the end of standard error
  /// "exit code 3", "killed by signal 9", "time limit", "too much output"
  [[nodiscard]] std::string describe() const;
};

class Jail {
 public:
  /// Tries what the kernel allows. cost: a few milliseconds
  Jail();
  /// What is missing here, in a sentence; empty if nothing is.
  [[nodiscard]] std::string note() const;
  [[nodiscard]] bool has_namespaces() const { return namespaces_; }
  /// For tests: as if the kernel allowed no namespaces.
  void forgo_namespaces() { namespaces_ = read_only_ = false; }

  /// `words`: program, looked up in /usr/local/bin, /usr/bin and /bin, and arguments, where "{dir}" stands for the folder that holds `files` (names and contents).
  /// The working folder is another one, empty. throws: Error{backend} if the program cannot be started. thread: several at once
  [[nodiscard]] JailedRun run(std::vector<std::string> words, const std::vector<std::pair<std::string, std::string>>& files,
                              std::string_view input, const JailLimits& limits) const;

 private:
  bool namespaces_ = false, read_only_ = false;
};

}  // namespace grpo::detail
