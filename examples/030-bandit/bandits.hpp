// The world of the example: prompts with 27 answers each, 6 of them right, and a policy that is a table of logits.
#pragma once

#include "libgrpo/base/random.hpp"
#include "libgrpo/policy/policy.hpp"
#include "libgrpo/types/reward.hpp"

#include <ATen/ATen.h>

#include <cmath>
#include <utility>
#include <vector>

constexpr std::int64_t kPrompts = 60, kAnswers = 27, kRight = 6, kGroup = 16;  // answers 0 to 5 are the right ones

// One row of logits per prompt; a prompt is one token, its number, and a completion is one token, the answer.
class Bandits final : public grpo::Policy {
 public:
  explicit Bandits(std::uint64_t seed) {
    at::manual_seed(seed);
    logits = (1.2 * at::randn({kPrompts, kAnswers})).requires_grad_();
  }
  grpo::TokenScores score(const grpo::Part& part, double temperature) const override {
    const auto log_p = at::log_softmax(logits / temperature, -1);
    const auto entropy = -(log_p.exp() * log_p).sum(-1);
    const auto prompt = part.ids.index_select(0, part.source);
    return {log_p.flatten().index_select(0, prompt * kAnswers + part.targets), entropy.index_select(0, prompt)};
  }
  std::vector<grpo::Parameter> parameters() const override { return {{"logits", logits}}; }
  void save(const std::filesystem::path&) const override {}

  at::Tensor logits;  // [60, 27]
};

struct Answers {
  std::vector<grpo::Group> groups;
  grpo::RewardTable rewards;
};

// 16 answers to every prompt. The same seed meets the same random numbers, whatever the policy.
inline Answers ask(const Bandits& policy, std::uint64_t seed) {
  const at::Tensor log_p = at::log_softmax(policy.logits.detach(), -1);
  Answers answers{std::vector<grpo::Group>(kPrompts), {{{"right", 1.0, {}}}, {}}};
  for (std::uint32_t p = 0; p < kPrompts; ++p) {
    grpo::Group& group = answers.groups[p];
    group.prompt.ids = {static_cast<std::int32_t>(p)};
    const float* row = log_p.const_data_ptr<float>() + p * kAnswers;
    for (std::uint32_t i = 0; i < kGroup; ++i) {
      double left = grpo::uniform({seed, p, i, 0});
      std::int32_t answer = 0;
      while (answer < kAnswers - 1 && (left -= std::exp(static_cast<double>(row[answer]))) >= 0.0) ++answer;
      group.completions.push_back({{answer}, {row[answer]}, {}, {}, grpo::FinishReason::stop});
      answers.rewards.columns[0].rewards.push_back(grpo::Reward::of(answer < kRight ? 1.0 : 0.0));
    }
  }
  return answers;
}

// Means over prompts of: the probability of a right answer; the share of the 6 right answers expected among 8 samples;
// and how many right answers are in use, exp(entropy of the policy among them). shape: -> [3] f64
inline at::Tensor figures(const at::Tensor& logits) {
  const auto p = at::softmax(logits.detach().to(at::kDouble), -1).narrow(1, 0, kRight);
  const auto share = p / p.sum(-1, true);
  return at::stack({p.sum(-1), (1.0 - (1.0 - p).pow(8)).mean(-1), (-at::xlogy(share, share)).sum(-1).exp()}, 1).mean(0);
}

inline double number(const at::Tensor& figures, std::int64_t i) { return figures[i].item<double>(); }
