// A plugin built against another version of the header.
#include "libgrpo/reward/plugin.hpp"

extern "C" const GrpoRewardPlugin* grpo_reward_plugin() {
  static const GrpoRewardPlugin plugin = {0, sizeof(GrpoRewardItem), sizeof(GrpoRewardVerdict), nullptr, nullptr, nullptr};
  return &plugin;
}
