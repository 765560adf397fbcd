/// Signs of life: each rank tells a shared store what it is doing, and notices when another stops telling.
///
/// A rank that dies leaves nothing but a closed connection, which its neighbours see at their next collective and the others never.
/// Here every rank writes "beat/<rank>" every `beat` (a count, its collectives, host, phase, and whether a signal came) and reads all others'; one that
/// does not change for `lost_after` is lost. A rank that ends for a reason of its own says so under the key "fault". If the store
/// itself is gone, so is the rank that holds it.
#pragma once

#include "libgrpo/dist/world.hpp"

#include <torch/csrc/distributed/c10d/Store.hpp>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace grpo {

class Watch {
 public:
  /// `holder`: "rank 0", or who else holds the store   throws: Error{backend} if some ranks do not come within options.timeout
  Watch(c10::intrusive_ptr<c10d::Store> store, int rank, int size, std::string holder, WorldOptions options);
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  /// Says goodbye, so that nobody takes the end of this process for a loss, and waits a while for the others: what this rank sent
  /// last may still be on its way, and the rank that holds the store leaves last.
  void leave() noexcept;

  void enter_phase(const std::string& name);
  void count_collective() { ++collectives_; }
  /// Goes out with the next beat, and on from rank to rank.
  void ask_to_stop() { asked_to_stop_ = true; }
  [[nodiscard]] bool asked_to_stop() const { return asked_to_stop_; }
  /// Tells the others why this rank ends.
  void report(const std::string& why) noexcept;
  /// Why the run cannot go on, once that is known. cost: one lock
  [[nodiscard]] std::optional<std::string> verdict() const;
  /// A collective failed with `what`: waits until it is known who is lost, at most lost_after and a few beats.
  /// throws: Error{backend}, always
  [[noreturn]] void blame(const std::string& what);

 private:
  struct Peer {
    std::string text;  // its latest beat
    std::chrono::steady_clock::time_point seen;
  };
  void stop();
  void wait_for_all(const std::string& counter);
  void publish();
  void meet();
  void look();
  void judge(const std::string& why);
  void run();
  [[nodiscard]] std::string describe(int rank, const std::string& beat) const;
  [[nodiscard]] std::string latest_of_all() const;

  c10::intrusive_ptr<c10d::Store> store_;
  int rank_, size_;
  std::string holder_, host_;
  WorldOptions options_;
  std::vector<std::string> keys_;
  std::atomic<std::int64_t> collectives_{0};
  std::atomic<bool> asked_to_stop_{false};
  mutable std::mutex mutex_;  // guards all below
  std::condition_variable changed_;
  std::int64_t count_ = 0;
  std::string phase_ = "start";
  std::vector<Peer> peers_;
  std::optional<std::string> verdict_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace grpo
