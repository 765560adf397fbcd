/// Weights & Biases, through a process of its own: the user's python3 with the user's wandb package, started as
/// `python3 -c wandb_bridge.py` and told JSON lines over a socket. Nothing that happens to it can stop or slow the training: lines
/// wait in a bounded queue, a thread sends them, and when the process is gone the rest is dropped with one warning.
///
/// What the process says goes to `log_file`. All WANDB_* variables of the environment count (WANDB_MODE=offline, WANDB_API_KEY, ...);
/// none of them is read or written here.
#pragma once

#include "libgrpo/base/log.hpp"

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <sys/types.h>
#include <thread>
#include <vector>

namespace grpo {

/// What wandb.init() is told.
struct WandbRun {
  std::filesystem::path folder;                             ///< holds wandb/ and the run's id, so that a resumed run continues it
  std::optional<std::string> project, entity, group, name;  ///< unset: WANDB_*, else wandb's own default
  std::vector<std::string> tags;
  std::string config = "{}";  ///< a JSON object
  bool resumed = false;       ///< keep the id that `folder` holds; else a new one
};

struct WandbTable {
  std::string name;
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;  ///< texts, any bytes
};

class WandbBridge {
 public:
  /// Starts the process. Its failure is a warning, as everything later.
  WandbBridge(const WandbRun& run, const Log& log);
  /// Ends the run as one that crashed, unless finish() was called.
  ~WandbBridge();
  WandbBridge(const WandbBridge&) = delete;
  WandbBridge& operator=(const WandbBridge&) = delete;

  /// Returns at once.
  void log(std::int64_t step, const std::map<std::string, double>& values, const std::vector<WandbTable>& tables = {});
  /// Ends the run and waits until the process has sent everything, at most `seconds`. exit_code 0: the run is finished.
  void finish(int exit_code, double seconds);

 private:
  void start(const std::string& script, const std::filesystem::path& log_file);
  void enqueue(std::string line);
  void send_lines();
  void give_up(const std::string& why);
  void close(double seconds);

  const Log& log_;
  std::filesystem::path log_file_;
  pid_t process_ = -1;
  int socket_ = -1;
  std::thread sender_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::string> queue_;
  std::size_t queued_bytes_ = 0;
  bool closing_ = false, gone_ = false;
};

}  // namespace grpo
