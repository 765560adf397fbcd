// An objective of your own in a program of your own: REINFORCE with a leave-one-out baseline, held near the policy that
// sampled by the square of the log-ratio. Trains the bandits of 030-bandit, several updates on each batch, and prints
// how often they are right.
//
//     A_i  = r_i - mean reward of the group's other completions
//     loss = sum_t (-w_t A_i + penalty / 2 (log w_t)^2) / tokens of the step,   w_t = pi(t) / pi_old(t)
#include "examples/030-bandit/bandits.hpp"
#include "libgrpo/objective/advantages.hpp"
#include "libgrpo/objective/importance.hpp"
#include "libgrpo/objective/normaliser.hpp"
#include "libgrpo/objective/objective.hpp"
#include "libgrpo/tensor/kl.hpp"
#include "libgrpo/trainer/adamw.hpp"
#include "libgrpo/trainer/passes.hpp"

#include <cstdio>
#include <exception>

namespace {

class ReinforceNear final : public grpo::Objective {
 public:
  explicit ReinforceNear(double penalty) : penalty_(penalty) {}
  bool needs_reference() const override { return false; }

  // Who deserves what: once per step, from all completions, without gradients.
  grpo::Credit credit(const grpo::CreditInput& in) const override {
    grpo::ObjectiveOptions options;
    options.advantage_estimator = grpo::AdvantageEstimator::rloo;
    const auto rewards = grpo::total_rewards(in.rewards);  // NaN where every reward failed
    grpo::Credit credit;
    credit.coefficients = grpo::estimate_advantages(rewards, in.batch.group_of(), options).values;  // and 0 there
    credit.advantages = grpo::at_tokens(credit.coefficients, in.batch);
    const std::vector<bool> all(rewards.size(), true);
    credit.token_weights = grpo::token_weights(grpo::LossType::bnpo, in, {all, all}, 1);
    for (std::size_t i = 0; i < rewards.size(); ++i) credit.active.push_back(in.trains(i));
    return credit;
  }

  // A sum over the tokens of one part, with gradients; the sum over parts is the loss of the step.
  grpo::Loss loss(const grpo::LossInput& in) const override {
    const auto& log_probs = in.scores.log_probs;
    const auto old = in.old_log_probs.defined() ? in.old_log_probs : log_probs.detach();
    const auto ratio = grpo::importance_ratio(log_probs, old, in.completion, in.completions, grpo::ImportanceSamplingLevel::token);
    const auto square = grpo::kl_k2(log_probs, old);
    grpo::Loss loss{((penalty_ * square - ratio * in.advantages) * in.token_weights).sum(), {}};
    loss.meters.add("half_square_log_ratio", square.sum().item<double>(), static_cast<double>(square.numel()));
    return loss;
  }

 private:
  double penalty_;
};

}  // namespace

int main() try {
  Bandits policy(1);
  ReinforceNear objective(0.1);
  grpo::AdamW optimizer(policy.parameters(), {});
  double right = 0.0;
  for (std::uint64_t step = 0; step <= 60; ++step) {
    const Answers answers = ask(policy, step);
    const grpo::Batch batch(answers.groups);
    double moved = 0.0;
    for (int pass = 0; pass < 4; ++pass) {
      const grpo::Credit credit = objective.credit({answers.rewards, batch});
      optimizer.zero_grad();
      auto metrics = grpo::accumulate_gradient(policy, objective, batch, credit, {{}, batch.sampler_log_probs(), {}}, {}).means();
      optimizer.step(0.02);
      metrics.insert(credit.metrics.begin(), credit.metrics.end());
      objective.observe(metrics);
      moved = metrics["half_square_log_ratio"];
    }
    right = number(figures(policy.logits), 0);
    if (step % 10 == 0)
      std::printf("step %2d: right %.2f, half square of the log-ratio after 3 updates %.5f\n", static_cast<int>(step), right, moved);
  }
  return right > 0.9 ? 0 : 1;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
