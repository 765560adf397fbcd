#include "libgrpo/trainer/reward_failures.hpp"

#include <fmt/format.h>

namespace grpo {

std::vector<FailedReward> failed_rewards(const std::vector<Group>& groups, const RewardTable& rewards) {
  std::vector<const Group*> group_of;
  for (const Group& group : groups) group_of.insert(group_of.end(), group.completions.size(), &group);
  std::vector<FailedReward> all;
  for (const RewardColumn& column : rewards.columns) {
    FailedReward found{column.name, 0, 0, {}};
    for (std::size_t i = 0; i < column.rewards.size(); ++i) {
      const Reward& reward = column.rewards[i];
      found.asked += reward.kind() == Reward::Kind::not_applicable ? 0 : 1;
      if (!reward.is_failed()) continue;
      if (found.failed++ == 0) found.first = fmt::format("{} ({})", reward.why(), group_of[i]->prompt.source);
    }
    if (found.failed > 0) all.push_back(std::move(found));
  }
  return all;
}

std::string show(const FailedReward& reward) {
  return fmt::format("reward {}: {} of {} failed; first: {}", reward.name, reward.failed, reward.asked, reward.first);
}

void check_failures(const std::vector<Group>& groups, const RewardTable& rewards, double max_share) {
  for (const FailedReward& reward : failed_rewards(groups, rewards)) {
    if (static_cast<double>(reward.failed) <= max_share * static_cast<double>(reward.asked)) continue;
    throw RewardsFailed(
        fmt::format("{}. That is more than max_reward_failures {} allows. The run is saved as it was before this batch: mend the "
                    "reward and run the same command again",
                    show(reward), max_share));
  }
}

}  // namespace grpo
