/// One request on its way through the engine: what is asked for goes in, tokens come out as they are drawn.
#pragma once

#include "libgrpo/sampler/continuous_batch.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

namespace grpo::serve {

struct GenerationRequest {
  std::string client;  ///< requests of one client stand in one line
  std::vector<Prompt> prompts;
  SamplingParams params;
  WaveOptions options;
};

enum class Ending {
  none,     ///< not yet
  done,     ///< all completions have ended
  aborted,  ///< cut short by the server: a pause that aborts, or a shutdown
  failed    ///< see Job::failure()
};

/// A token of choice `choice` = prompt x n + sample.
struct DrawnToken {
  std::size_t choice;
  std::int32_t id;
  float log_prob, entropy;
  std::vector<Alternative> alternatives;
};

/// What happened to a job since somebody last asked.
struct News {
  std::vector<DrawnToken> tokens;
  std::vector<std::pair<std::size_t, FinishReason>> finished;  ///< choices that ended by themselves
  Ending ending = Ending::none;
};

/// thread: news() and cancel() from one thread, the rest from the engine's
class Job {
 public:
  explicit Job(GenerationRequest request) : request_(std::move(request)) {}

  [[nodiscard]] const GenerationRequest& request() const { return request_; }
  [[nodiscard]] std::size_t choices() const { return request_.prompts.size() * static_cast<std::size_t>(request_.params.num_generations); }

  /// What is new; waits for it, at most so long.
  [[nodiscard]] News news(std::chrono::milliseconds longest);
  /// Nobody waits for the answer any more: its completions leave the batch. EngineLoop::cancel() also wakes the engine.
  void cancel() { cancelled_ = true; }
  [[nodiscard]] bool cancelled() const { return cancelled_; }
  /// Why it failed. Only after Ending::failed.
  [[nodiscard]] const std::string& failure() const { return failure_; }
  /// Versions of the weights that the first and the last token were drawn with.
  [[nodiscard]] std::int64_t first_version() const { return first_version_; }
  [[nodiscard]] std::int64_t last_version() const { return last_version_; }

  // The engine's side.
  void add(DrawnToken token);
  void finish(std::size_t choice, FinishReason reason);
  void end(Ending ending, std::string failure = {});
  void begin(std::int64_t version) { first_version_ = last_version_ = version; }
  void go_on_with(std::int64_t version) { last_version_ = version; }

 private:
  const GenerationRequest request_;
  std::mutex mutex_;
  std::condition_variable changed_;
  News news_;
  std::string failure_;
  std::atomic<bool> cancelled_{false};
  std::atomic<std::int64_t> first_version_{-1}, last_version_{-1};
};

}  // namespace grpo::serve
