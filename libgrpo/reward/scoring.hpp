/// Rewards given beside the sampling: a group is handed over when it is finished, and judged on threads while others grow.
///
/// Each group is judged by each function as RewardSet::score() would, so neither the order of arrival nor the number of threads
/// changes a verdict or its place.
#pragma once

#include "libgrpo/reward/reward_fn.hpp"

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace grpo {

class Scoring {
 public:
  /// Starts the set's threads. `rewards` must outlive it; `groups` will come.
  Scoring(const RewardSet& rewards, std::size_t groups);
  /// Ends after the verdicts under way; those not begun are dropped.
  ~Scoring();
  Scoring(const Scoring&) = delete;
  Scoring& operator=(const Scoring&) = delete;

  /// Group number `index` is finished. The second time it says nothing new. thread: any, side by side
  void add(std::size_t index, std::shared_ptr<const Group> group);
  /// Adds those of `groups` that were not added, waits, and gives all verdicts, in the order of the groups. Once.
  /// throws: Error{contract} unless `groups` are as many as were announced
  RewardTable finish(const std::vector<Group>& groups);

 private:
  struct Task {
    std::shared_ptr<const Group> group;
    std::size_t index, column;
  };
  void work();
  void judge(const Task& task);

  const RewardSet& rewards_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<bool> added_;
  std::deque<Task> waiting_;
  std::size_t open_ = 0;  // tasks that wait or are under way
  bool stopped_ = false;
  std::vector<std::vector<std::vector<Reward>>> verdicts_;  // [column][group][completion]
  std::vector<std::vector<std::string>> modes_;             // [group][completion]
  std::vector<double> seconds_;                             // [column]
  std::vector<std::thread> threads_;
};

}  // namespace grpo
