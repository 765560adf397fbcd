#include "libgrpo/trainer/rollouts_ahead.hpp"

#include "libgrpo/base/check.hpp"

#include <utility>

namespace grpo {

RolloutsAhead::RolloutsAhead(std::vector<Make> makers, std::size_t prompts, AheadOptions options)
    : makers_(std::move(makers)), prompts_(prompts), options_(options) {
  GRPO_CHECK(!makers_.empty(), "somebody has to make the batches");
  GRPO_CHECK(options_.max_staleness >= 0 && options_.updates_per_batch >= 1, "staleness is counted in updates, from 0");
}

RolloutsAhead::~RolloutsAhead() { stop(); }

void RolloutsAhead::start(std::int64_t update, std::uint64_t cursor) {
  if (!threads_.empty()) return;
  first_update_ = weights_ = update;
  cursor_ = cursor;
  for (std::size_t maker = 0; maker < makers_.size(); ++maker) threads_.emplace_back([this, maker] { work(maker); });
}

void RolloutsAhead::weights_changed(std::int64_t updates) {
  const std::lock_guard lock(mutex_);
  weights_ = updates;
  changed_.notify_all();
}

/// With the lock held.
bool RolloutsAhead::may_begin(std::int64_t batch) const {
  return weights_ >= first_update_ + batch * options_.updates_per_batch - options_.max_staleness;
}

void RolloutsAhead::work(std::size_t maker) {
  for (auto batch = static_cast<std::int64_t>(maker);; batch += static_cast<std::int64_t>(makers_.size())) {
    std::unique_lock lock(mutex_);
    if (first_update_ + batch * options_.updates_per_batch >= options_.total_updates) return;
    changed_.wait(lock, [&] { return stopped_ || may_begin(batch); });
    if (stopped_) return;
    BatchAhead made;
    made.weights = weights_;
    made.cursor = makers_.size() == 1 ? cursor_ : cursor_ + static_cast<std::uint64_t>(batch) * prompts_;
    lock.unlock();
    std::exception_ptr failure;
    try {
      Phases unseen;  // no phase of a step, but of several
      made.scored = makers_[maker](made.cursor, unseen);
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    if (failure) {
      failure_ = failure;
      stopped_ = true;
    } else {
      if (makers_.size() == 1) cursor_ = made.cursor;
      made_.emplace(batch, std::move(made));
    }
    changed_.notify_all();
    if (failure) return;
  }
}

BatchAhead RolloutsAhead::next(Phases& phases) {
  return phases.time("sample", [&] {
    std::unique_lock lock(mutex_);
    GRPO_CHECK(!threads_.empty(), "start() comes before next()");
    changed_.wait(lock, [&] { return failure_ || made_.count(next_) > 0; });
    if (made_.count(next_) == 0) std::rethrow_exception(failure_);
    BatchAhead batch = std::move(made_.extract(next_).mapped());
    ++next_;
    return batch;
  });
}

void RolloutsAhead::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    changed_.notify_all();
  }
  for (std::thread& thread : threads_)
    if (thread.joinable()) thread.join();
}

std::map<std::int64_t, BatchAhead> RolloutsAhead::waiting() const {
  const std::lock_guard lock(mutex_);
  std::map<std::int64_t, BatchAhead> waiting;
  for (const auto& [number, batch] : made_) waiting.emplace(number - next_, batch);
  return waiting;
}

}  // namespace grpo
