// A reward of your own, tried on two completions. Needs grpo::core alone: no torch, no model, builds in seconds.
#include "libgrpo/base/error.hpp"
#include "libgrpo/reward/reward_fn.hpp"

#include <cstdio>
#include <exception>

namespace {

// 1 for an answer in at most `limit` words, less the longer it gets; nothing to say of an empty one.
grpo::Reward brevity(const grpo::Prompt&, const grpo::Completion& completion) {
  constexpr double kLimit = 5.0;
  double words = 0.0;
  bool inside = false;
  for (const char c : completion.text) {
    const bool space = c == ' ' || c == '\n' || c == '\t';
    if (!space && !inside) words += 1.0;
    inside = !space;
  }
  if (words == 0.0) return grpo::Reward::not_applicable();
  return grpo::Reward::of(words <= kLimit ? 1.0 : kLimit / words);
}

void print(const grpo::RewardColumn& column) {
  std::printf("%-16s x %.1f:", column.name.c_str(), column.weight);
  for (const grpo::Reward& reward : column.rewards) {
    if (reward.has_value()) {
      std::printf("  %.2f", reward.value());
    } else {
      std::printf("  %s", reward.why().empty() ? "n/a" : reward.why().c_str());
    }
  }
  std::printf("\n");
}

}  // namespace

int main() try {
  grpo::RewardSet rewards({"answer_accuracy"}, {1.0});      // one that comes with the library
  rewards.add(grpo::make_reward("brevity", brevity), 0.5);  // and one of your own

  // What a sampler would bring: one prompt and its completions.
  grpo::Group group;
  group.prompt.text = "What is 3 + 4?";
  group.prompt.solution = "7";
  group.completions.resize(2);
  group.completions[0].text = "<answer>7</answer>";
  group.completions[1].text = "Well, let me see: three and four make <answer>8</answer>";

  const grpo::RewardTable table = rewards.score({group});
  for (const grpo::RewardColumn& column : table.columns) print(column);
  return 0;
} catch (const grpo::Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return grpo::exit_code(error.kind());
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
