#include "libgrpo/remote/server_pool.hpp"

#include <algorithm>
#include <utility>

namespace grpo::remote {

using std::chrono::seconds;

ServerPool::Slot* ServerPool::take(Clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  while (true) {
    const auto now = Clock::now();
    Slot* best = nullptr;
    auto wake = deadline;
    for (Slot& slot : slots_) {
      if (slot.rests_until > now) {
        wake = std::min(wake, slot.rests_until);
      } else if (best == nullptr || std::pair(slot.failures > 0, slot.under_way) < std::pair(best->failures > 0, best->under_way)) {
        best = &slot;
      }
    }
    if (best != nullptr) {
      ++best->under_way;
      // One request tries a server that rested; the others wait for what becomes of it.
      if (best->failures >= kTrips) best->rests_until = std::max(now + seconds(1), deadline);
      return best;
    }
    if (now >= deadline) return nullptr;
    changed_.wait_until(lock, wake);
  }
}

void ServerPool::succeeded(Slot& slot) {
  const std::lock_guard lock(mutex_);
  --slot.under_way;
  slot.failures = 0;
  slot.rests_until = slot.fails_since = {};
  changed_.notify_all();
}

void ServerPool::failed(Slot& slot, const ServerError& error) {
  const std::lock_guard lock(mutex_);
  --slot.under_way;
  blame(slot, error);
}

void ServerPool::loaded(Slot& slot, std::int64_t version) {
  const std::lock_guard lock(mutex_);
  if (slot.given && slot.version < 0) ++given_again_;
  slot.given = true;
  slot.version = version;
  slot.failures = 0;
  slot.rests_until = slot.fails_since = {};
  changed_.notify_all();
}

void ServerPool::not_loaded(Slot& slot, const ServerError& error) {
  const std::lock_guard lock(mutex_);
  slot.version = -1;
  blame(slot, error);
}

void ServerPool::blame(Slot& slot, const ServerError& error) {
  const auto now = Clock::now();
  if (error.blames_server()) {
    if (slot.failures++ == 0) slot.fails_since = now;
    slot.version = -1;
    if (slot.failures >= kTrips) ++rests_;
    slot.rests_until = slot.failures < kTrips ? Clock::time_point() : now + seconds(std::min(30, 1 << std::min(5, slot.failures - kTrips)));
  } else {  // it answers
    slot.failures = 0;
    slot.rests_until = now + std::chrono::milliseconds(static_cast<std::int64_t>(error.retry_after() * 1000.0));
  }
  changed_.notify_all();
}

bool ServerPool::all_fail_for(std::chrono::duration<double> time) const {
  const std::lock_guard lock(mutex_);
  return std::all_of(slots_.begin(), slots_.end(),
                     [&](const Slot& slot) { return slot.failures > 0 && Clock::now() - slot.fails_since >= time; });
}

std::int64_t ServerPool::rests() const {
  const std::lock_guard lock(mutex_);
  return rests_;
}

std::int64_t ServerPool::given_again() const {
  const std::lock_guard lock(mutex_);
  return given_again_;
}

void ServerPool::suppose(std::int64_t version) {
  const std::lock_guard lock(mutex_);
  for (Slot& slot : slots_) slot.version = slot.failures == 0 ? version : -1;
}

std::int64_t ServerPool::version_of(const Slot& slot) const {
  const std::lock_guard lock(mutex_);
  return slot.version;
}

void ServerPool::set_newest(std::int64_t version) {
  const std::lock_guard lock(mutex_);
  newest_ = version;
}

std::int64_t ServerPool::newest() const {
  const std::lock_guard lock(mutex_);
  return newest_;
}

}  // namespace grpo::remote
