// Someone with a reward of their own: links grpo::core, which knows nothing of torch.
#include "libgrpo/base/random.hpp"
#include "libgrpo/reward/reward_fn.hpp"

#include <cstdio>

int main() {
  const auto shortness = [](const grpo::Prompt&, const grpo::Completion& completion) {
    return grpo::Reward::of(1.0 / (1.0 + static_cast<double>(completion.text.size())));
  };
  grpo::RewardSet rewards;
  rewards.add(grpo::make_reward("shortness", shortness), 2.0);

  grpo::Group group;
  group.completions.resize(2);
  group.completions[0].text = "abc";
  const grpo::RewardTable table = rewards.score({group});
  const bool right = table.columns.size() == 1 && table.columns[0].rewards.size() == 2 && table.columns[0].rewards[0].value() == 0.25 &&
                     table.columns[0].rewards[1].value() == 1.0;
  const bool known = !grpo::reward_names().empty();
  const double draw = grpo::uniform({.run_seed = 42});
  std::printf("reward_author: %s, draw %.6f\n", right && known ? "right" : "wrong", draw);
  return right && known && draw >= 0.0 && draw < 1.0 ? 0 : 1;
}
