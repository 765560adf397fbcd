/// Several servers as one: who is asked next, who is left alone for a while, and which weights each has.
///
/// A request goes to the server with the fewest under way, and to one that failed last only if there is no other. A server that failed
/// kTrips times in a row is left alone for a second, then twice as long after each further failure, up to half a minute; then one request
/// tries it (a circuit breaker, Nygard 2007, "Release It!", section 5.2). After any failure that puts a server in doubt it gets the newest
/// weights before its next prompt: it may have been started anew.
#pragma once

#include "libgrpo/remote/generation_server.hpp"

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>

namespace grpo::remote {

/// thread: all members from any thread
class ServerPool {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr int kTrips = 3;

  struct Slot {
    explicit Slot(std::unique_ptr<GenerationServer> s) : server(std::move(s)) {}
    std::unique_ptr<GenerationServer> server;
    std::mutex loading;  // one load of weights at a time
    // Under the pool's lock:
    int under_way = 0, failures = 0;  // failures in a row
    Clock::time_point rests_until = {}, fails_since = {};
    std::int64_t version = -1;  // of the weights it has; -1: in doubt
    bool given = false;         // weights of this run, once
  };

  void add(std::unique_ptr<GenerationServer> server) { slots_.emplace_back(std::move(server)); }
  [[nodiscard]] std::deque<Slot>& slots() { return slots_; }
  [[nodiscard]] const std::deque<Slot>& slots() const { return slots_; }

  /// The server to ask next, counted as under way; waits while all of them rest, at most until `deadline`. Null: they rest longer.
  [[nodiscard]] Slot* take(Clock::time_point deadline);
  void succeeded(Slot& slot);
  void failed(Slot& slot, const ServerError& error);
  /// Whether no server has answered for so long.
  [[nodiscard]] bool all_fail_for(std::chrono::duration<double> time) const;
  /// How often a server was left alone, so far.
  [[nodiscard]] std::int64_t rests() const;
  /// How often one in doubt got weights again.
  [[nodiscard]] std::int64_t given_again() const;

  /// The server has these weights; it has not got them.
  void loaded(Slot& slot, std::int64_t version);
  void not_loaded(Slot& slot, const ServerError& error);
  /// Another rank gave these weights to every server that does not fail.
  void suppose(std::int64_t version);
  [[nodiscard]] std::int64_t version_of(const Slot& slot) const;
  /// The newest weights of the run; -1: none yet.
  void set_newest(std::int64_t version);
  [[nodiscard]] std::int64_t newest() const;

 private:
  void blame(Slot& slot, const ServerError& error);  // with the lock held

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Slot> slots_;
  std::int64_t newest_ = -1, rests_ = 0, given_again_ = 0;
};

}  // namespace grpo::remote
