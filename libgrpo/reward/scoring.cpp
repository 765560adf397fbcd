#include "libgrpo/reward/scoring.hpp"

#include "libgrpo/base/check.hpp"
#include "libgrpo/base/clock.hpp"
#include "libgrpo/reward/judge.hpp"

#include <algorithm>
#include <utility>

namespace grpo {

Scoring::Scoring(const RewardSet& rewards, std::size_t groups)
    : rewards_(rewards),
      added_(groups, false),
      verdicts_(rewards.entries_.size(), std::vector<std::vector<Reward>>(groups)),
      modes_(groups),
      seconds_(rewards.entries_.size(), 0.0) {
  const std::size_t most = groups * rewards.entries_.size();
  for (std::size_t i = 0; i < std::min(most, static_cast<std::size_t>(rewards.workers_)); ++i) threads_.emplace_back([this] { work(); });
}

Scoring::~Scoring() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    waiting_.clear();
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Scoring::add(std::size_t index, std::shared_ptr<const Group> group) {
  {
    const std::lock_guard lock(mutex_);
    if (added_.at(index)) return;
    added_[index] = true;
    for (std::size_t column = 0; column < seconds_.size(); ++column) waiting_.push_back({group, index, column});
    open_ += seconds_.size();
  }
  changed_.notify_all();
}

RewardTable Scoring::finish(const std::vector<Group>& groups) {
  GRPO_CHECK_EQ(groups.size(), added_.size(), "as many groups come as were announced");
  for (std::size_t g = 0; g < groups.size(); ++g) add(g, std::shared_ptr<const Group>(std::shared_ptr<void>(), &groups[g]));
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return open_ == 0; });
  }
  RewardTable table;
  for (std::size_t c = 0; c < seconds_.size(); ++c) {
    const RewardSet::Entry& entry = rewards_.entries_[c];
    RewardColumn column{std::string(entry.reward->name()), entry.weight, {}, seconds_[c]};
    for (std::vector<Reward>& group : verdicts_[c]) std::move(group.begin(), group.end(), std::back_inserter(column.rewards));
    table.columns.push_back(std::move(column));
  }
  for (std::vector<std::string>& group : modes_) std::move(group.begin(), group.end(), std::back_inserter(table.modes));
  return table;
}

void Scoring::work() {
  for (;;) {
    Task task;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return stopped_ || !waiting_.empty(); });
      if (waiting_.empty()) return;
      task = std::move(waiting_.front());
      waiting_.pop_front();
    }
    judge(task);
    {
      const std::lock_guard lock(mutex_);
      --open_;
    }
    changed_.notify_all();
  }
}

void Scoring::judge(const Task& task) {
  const RewardFn& reward = *rewards_.entries_[task.column].reward;
  const Stopwatch clock;
  std::vector<Reward> verdicts = detail::judge_group(reward, *task.group, rewards_.retries_);
  const double seconds = clock.seconds();
  std::vector<std::string> modes;
  for (const Completion& completion : task.group->completions) modes.push_back(task.column == 0 ? detail::mode_of(reward, completion) : "");
  const std::lock_guard lock(mutex_);
  verdicts_[task.column][task.index] = std::move(verdicts);
  seconds_[task.column] += seconds;
  if (task.column == 0) modes_[task.index] = std::move(modes);
}

}  // namespace grpo
