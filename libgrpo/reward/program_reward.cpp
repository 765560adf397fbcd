// Rewards by a program: JSON lines in and out, a pool of processes that are kept from step to step.
#include "libgrpo/base/clock.hpp"
#include "libgrpo/base/error.hpp"
#include "libgrpo/reward/child_process.hpp"
#include "libgrpo/reward/external.hpp"
#include "libgrpo/reward/patience.hpp"

#include <fmt/format.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <utility>

namespace grpo::detail {
namespace {

constexpr std::size_t kLongestQuestion = std::size_t{16} << 20;  // bytes
constexpr std::size_t kLongestAnswer = std::size_t{1} << 20;
constexpr double kStartShare = 3.0;  // a new process may take so many times the limit more: it has libraries to load

/// Places for processes. A place may be empty: its process is started when a completion needs it.
class ProcessPool {
 public:
  explicit ProcessPool(std::int64_t places) : idle_(static_cast<std::size_t>(places)) {}

  using Place = std::unique_ptr<LineProcess>;
  /// Waits for a place that is free; one with a process, if there is any.
  Place take() {
    std::unique_lock lock(mutex_);
    freed_.wait(lock, [this] { return !idle_.empty(); });
    auto best = idle_.begin();
    for (auto place = idle_.begin(); place != idle_.end(); ++place)
      if (*place) best = place;
    Place taken = std::move(*best);
    idle_.erase(best);
    return taken;
  }
  void give_back(Place place) {
    {
      const std::lock_guard lock(mutex_);
      idle_.push_back(std::move(place));
    }
    freed_.notify_one();
  }

 private:
  std::mutex mutex_;
  std::condition_variable freed_;
  std::vector<Place> idle_;
};

class ProgramReward final : public RewardFn {
 public:
  ProgramReward(std::string name, std::vector<std::string> words, const RewardSettings& settings)
      : name_(std::move(name)),
        words_(std::move(words)),
        timeout_(settings.timeout),
        pool_(settings.workers),
        patience_(settings.timeout) {}

  [[nodiscard]] std::string_view name() const override { return name_; }
  [[nodiscard]] RetryRules retry_rules() const override { return {.by_completion = true}; }

  [[nodiscard]] std::vector<Reward> score(const Group& group) const override {
    ProcessPool::Place place = pool_.take();
    std::vector<Reward> rewards;
    for (const Completion& completion : group.completions) rewards.push_back(ask(place, group.prompt, completion));
    pool_.give_back(std::move(place));
    return rewards;
  }

 private:
  /// Never throws: the place has to go back.
  [[nodiscard]] Reward ask(ProcessPool::Place& place, const Prompt& prompt, const Completion& completion) const {
    if (const auto why = patience_.lost()) return Reward::failed(*why);
    const Stopwatch clock;
    const Reward verdict = ask_once(place, prompt, completion);
    if (place)
      patience_.answered();
    else
      patience_.failed(clock.seconds(), verdict.why());
    return verdict;
  }

  /// The place comes back empty if the program is of no use any more.
  [[nodiscard]] Reward ask_once(ProcessPool::Place& place, const Prompt& prompt, const Completion& completion) const {
    try {
      const std::uint64_t id = next_id_++;
      const std::string question = item_json(id, prompt, completion);
      if (question.size() > kLongestQuestion)
        return Reward::failed(fmt::format("the question is {} bytes long, at most {} are sent", question.size(), kLongestQuestion));
      double limit = timeout_;
      if (!place) {
        place = std::make_unique<LineProcess>(words_);
        limit += kStartShare * timeout_;
      }
      Answer answer = exchange(*place, question, limit);
      if (!answer.broken && answer.id != id)
        answer = {answer.id, Reward::failed(fmt::format("answered id {} to id {}", answer.id ? std::to_string(*answer.id) : "none", id)),
                  true};
      if (answer.broken) place.reset();  // who knows what the next line answers
      return answer.verdict;
    } catch (const std::exception& error) {
      place.reset();
      return Reward::failed(error.what());
    }
  }

  [[nodiscard]] static Answer exchange(LineProcess& process, const std::string& question, double limit) {
    const auto lost = [](std::string why) { return Answer{{}, Reward::failed(std::move(why)), true}; };
    const auto deadline =
        LineProcess::Clock::now() + std::chrono::duration_cast<LineProcess::Clock::duration>(std::chrono::duration<double>(limit));
    std::string answer;
    switch (process.exchange(question, answer, deadline, kLongestAnswer)) {
      case LineProcess::Outcome::line: return read_answer(answer);
      case LineProcess::Outcome::timed_out:
        return lost(fmt::format("no answer within {} s (reward_timeout); the program was killed", limit));
      case LineProcess::Outcome::too_long:
        return lost(fmt::format("answered with a line of more than {} bytes; the program was killed", kLongestAnswer));
      case LineProcess::Outcome::closed: break;
    }
    return lost("the program " + process.end());
  }

  std::string name_;
  std::vector<std::string> words_;
  double timeout_;
  mutable ProcessPool pool_;
  mutable Patience patience_;
  mutable std::atomic<std::uint64_t> next_id_{1};
};

}  // namespace

std::unique_ptr<RewardFn> make_program_reward(std::string name, std::vector<std::string> words, const RewardSettings& settings) {
  return std::make_unique<ProgramReward>(std::move(name), std::move(words), settings);
}

}  // namespace grpo::detail
