// Every reward that starts no process: gold answer, 0xff, completion, 0xff, a second completion.
#include "libgrpo/reward/math_verify.hpp"
#include "libgrpo/reward/reward_fn.hpp"
#include "tests/fuzz/target.hpp"

#include <cmath>
#include <memory>

using namespace grpo;

namespace {

std::vector<std::unique_ptr<RewardFn>> verifiers() {
  std::vector<std::unique_ptr<RewardFn>> all;
  RewardSettings settings;
  settings.args = R"({"regex": {"pattern": "\\d{2,}"}})";
  for (const std::string& name : reward_names())
    if (name != "python_unit_tests" && name != "stdin_stdout") {
      RewardSettings own = name == "regex" ? settings : RewardSettings();
      all.push_back(make_reward(name, own));
    }
  return all;
}

}  // namespace

FUZZ_TARGET(verifiers) {
  static const auto kVerifiers = verifiers();
  Group group;
  group.prompt.solution = fuzz::next_part(bytes);
  group.prompt.columns["answer"] = group.prompt.solution;
  while (!bytes.empty() && group.completions.size() < 2) {
    Completion completion;
    completion.text = fuzz::next_part(bytes);
    completion.ids.assign(1 + completion.text.size() / 3, 7);
    group.completions.push_back(completion);
  }
  if (group.completions.empty()) group.completions.emplace_back();
  for (const auto& verifier : kVerifiers)
    fuzz::may_refuse([&] {
      const std::vector<Reward> rewards = verifier->score(group);
      if (rewards.size() != group.completions.size()) __builtin_trap();
      for (const Reward& reward : rewards)
        if (reward.has_value() && !std::isfinite(reward.value())) __builtin_trap();
      (void)verifier->mode(group.completions.front());
    });
  (void)compare_math(group.prompt.solution, group.completions.front().text);
}
