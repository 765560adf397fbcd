#include "libgrpo/serve/job.hpp"

namespace grpo::serve {

News Job::news(std::chrono::milliseconds longest) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, longest, [&] { return !news_.tokens.empty() || !news_.finished.empty() || news_.ending != Ending::none; });
  News fresh = std::move(news_);
  news_ = {};
  news_.ending = fresh.ending;
  return fresh;
}

void Job::add(DrawnToken token) {
  const std::lock_guard lock(mutex_);
  news_.tokens.push_back(std::move(token));
  changed_.notify_one();
}

void Job::finish(std::size_t choice, FinishReason reason) {
  const std::lock_guard lock(mutex_);
  news_.finished.emplace_back(choice, reason);
  changed_.notify_one();
}

void Job::end(Ending ending, std::string failure) {
  const std::lock_guard lock(mutex_);
  failure_ = std::move(failure);
  news_.ending = ending;
  changed_.notify_one();
}

}  // namespace grpo::serve
