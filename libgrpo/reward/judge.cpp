#include "libgrpo/reward/judge.hpp"

#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <exception>
#include <thread>
#include <utility>

namespace grpo::detail {
namespace {

constexpr std::size_t kLongestWhy = 500;  // a reason may quote a completion
constexpr double kLongestPause = 10.0;    // seconds

std::vector<Reward> score_once(const RewardFn& reward, const Group& group) {
  const std::size_t count = group.completions.size();
  std::string why;
  try {
    std::vector<Reward> rewards = reward.score(group);
    if (rewards.size() == count) {
      for (Reward& verdict : rewards) verdict = checked(std::move(verdict));
      return rewards;
    }
    why = fmt::format("returned {} verdicts for {} completions", rewards.size(), count);
  } catch (...) {
    why = current_reason();
  }
  return std::vector<Reward>(count, Reward::failed(why));
}

}  // namespace

std::string current_reason() {
  try {
    throw;
  } catch (const std::exception& error) {
    const std::string_view text = error.what();
    return "threw: " + std::string(text.substr(0, kLongestWhy)) + (text.size() > kLongestWhy ? "..." : "");
  } catch (...) {
    return "threw something that is no std::exception";
  }
}

Reward checked(Reward reward) {
  if (!reward.has_value() || std::isfinite(reward.value())) return reward;
  const char* shown = std::isnan(reward.value()) ? "NaN" : reward.value() > 0 ? "inf" : "-inf";
  return Reward::failed(fmt::format("returned {}", shown));
}

std::vector<Reward> judge_group(const RewardFn& reward, const Group& group, std::int64_t retries) {
  std::vector<Reward> verdicts = score_once(reward, group);
  const RetryRules rules = reward.retry_rules();
  double pause = rules.pause;
  for (std::int64_t retry = 0; retry < retries; ++retry, pause *= 2.0) {
    std::vector<std::size_t> failed;
    for (std::size_t i = 0; i < verdicts.size(); ++i)
      if (verdicts[i].is_failed()) failed.push_back(i);
    if (failed.empty()) break;
    if (pause > 0.0) std::this_thread::sleep_for(std::chrono::duration<double>(std::min(pause, kLongestPause)));
    if (!rules.by_completion) {
      std::vector<Reward> again = score_once(reward, group);
      for (const std::size_t i : failed) verdicts[i] = std::move(again[i]);
      continue;
    }
    Group part{group.prompt, {}};
    for (const std::size_t i : failed) part.completions.push_back(group.completions[i]);
    std::vector<Reward> again = score_once(reward, part);
    for (std::size_t i = 0; i < failed.size(); ++i) verdicts[failed[i]] = std::move(again[i]);
  }
  return verdicts;
}

std::string mode_of(const RewardFn& reward, const Completion& completion) {
  try {
    return reward.mode(completion);
  } catch (...) {
    return {};
  }
}

}  // namespace grpo::detail
