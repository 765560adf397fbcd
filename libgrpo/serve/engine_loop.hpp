/// The thread that owns the batch: it admits requests fairly, draws one token for every completion at a time, and changes weights
/// between two such steps.
///
/// Fair: every client has a line. A free place goes to the next client's oldest request, one completion at a time, so neither a
/// request for many completions nor a client with many requests holds up the others.
/// New weights: a request that has begun ends with the weights it began with, and those that wait begin with the new ones. So an
/// answer is of one version. Only while the engine is paused with its requests kept do new weights meet half-finished completions.
#pragma once

#include "libgrpo/serve/job.hpp"

#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <optional>
#include <thread>

namespace grpo::serve {

struct EngineOptions {
  std::int64_t max_rows = 256;              ///< completions that grow at once
  std::int64_t max_waiting = 512;           ///< requests that have not begun
  std::int64_t max_cache_tokens = 1 << 20;  ///< what keys and values of prompts and completions may come to
  std::int64_t prefix_tokens = 8192;        ///< prompts kept for later ones that begin alike; 0: none
  std::int64_t num_threads = 0;             ///< 0: as torch chooses
};

enum class PauseMode { keep, wait, abort };  ///< running requests: stand still | end first | are cut short

struct EngineStatus {
  std::int64_t rows = 0, running = 0, waiting = 0;   ///< completions that grow; requests that have begun; that have not
  std::int64_t version = 0;                          ///< of the weights
  std::int64_t drawn_tokens = 0;                     ///< since the start
  std::int64_t prefix_tokens = 0, prefix_found = 0;  ///< kept now; ever taken from what was kept
  bool paused = false;
};

/// thread: all members from any thread
class EngineLoop {
 public:
  /// throws: what building a decoder throws
  EngineLoop(std::shared_ptr<const CausalLm> model, const Tokenizer& tokenizer, EngineOptions options);
  /// Cuts short what still runs.
  ~EngineLoop();

  /// Puts a request into its client's line.
  /// throws: ApiError 429 if too many wait, 503 at a shutdown, 400 if the engine has no room for it at all
  [[nodiscard]] std::shared_ptr<Job> submit(GenerationRequest request);
  void cancel(Job& job);

  /// No request begins until resume(). Returns when what runs stands still, has ended or is cut short.
  void pause(PauseMode mode);
  void resume();
  /// Changes the weights, of a model of the same shape, as said above; returns their version: `version`, or one more than before.
  std::int64_t update(std::shared_ptr<const CausalLm> model, std::optional<std::int64_t> version);
  void reset_prefix_cache();
  /// Refuses new requests and lets what has come end; at the latest after so long, cuts it short.
  void drain(std::chrono::milliseconds longest);

  [[nodiscard]] EngineStatus status() const;
  [[nodiscard]] const ModelConfig& config() const { return config_; }

 private:
  struct Task {
    std::shared_ptr<Job> job;
    std::vector<Group> groups = {};
    std::unique_ptr<Wave> wave = {};  // once it has begun
    std::int64_t cache_tokens = 0;    // reserved
  };
  struct Line {
    std::string client;
    std::deque<std::shared_ptr<Task>> tasks;
  };
  struct Update {
    std::shared_ptr<const CausalLm> model;
    std::optional<std::int64_t> version;
    std::optional<std::int64_t> done = {};
  };
  using Lock = std::unique_lock<std::mutex>;

  void work();
  [[nodiscard]] bool something_to_do() const;
  void make_batch();
  void admit();
  bool admit_one(Line& line, bool& crowded);
  void begin(const std::shared_ptr<Task>& task);
  void step(Lock& lock);
  void drop_cancelled();
  void install_update();
  void end_finished();
  void abort_all();
  [[nodiscard]] std::int64_t completion_tokens(const GenerationRequest& request) const;
  [[nodiscard]] std::int64_t prompt_tokens(const GenerationRequest& request) const;

  const EngineOptions options_;
  const Tokenizer& tokenizer_;
  const ModelConfig config_;

  mutable std::mutex mutex_;
  std::condition_variable wake_, changed_;  // of the engine; of those who wait for it
  std::shared_ptr<const CausalLm> model_;
  std::unique_ptr<ContinuousBatch> batch_;
  std::list<Line> lines_;  // the next client first
  std::list<std::shared_ptr<Task>> begun_;
  std::deque<std::shared_ptr<Update>> updates_;
  EngineStatus status_;
  std::int64_t drawn_ = 0;         // tokens; the engine's thread alone
  std::int64_t cache_tokens_ = 0;  // reserved by begun_; the engine's thread alone
  bool held_ = false, frozen_ = false, stepping_ = false, cancelled_ = false, draining_ = false, stopping_ = false;
  std::thread thread_;
};

}  // namespace grpo::serve
