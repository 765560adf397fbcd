// GRPO and MaxEnt-GRPO by hand: plain tensors and plain functions, no Policy, no Batch, no Trainer.
//
// One question with 6 answers, the first two of them right; the policy is softmax(logits), logits [6]. A step draws G = 8
// answers a_i, and s_i = log softmax(logits)[a_i]:
//     GRPO      A_i = (r_i - mean) / (std + 1e-4)   L = 1/G sum_i -min(w_i A_i, clip(w_i, 0.8, 1.2) A_i) + beta k3_i
//     listwise  w = softmax(r / tau)                L = -sum_i w_i log p_i,  p = softmax(s) over the group
// where w_i = exp(s_i - s_i when sampled). Gradients are held against the closed forms that the papers give.
#include "libgrpo/base/random.hpp"
#include "libgrpo/objective/advantages.hpp"
#include "libgrpo/objective/clipped_surrogate.hpp"
#include "libgrpo/objective/target_weights.hpp"
#include "libgrpo/tensor/kl.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <vector>

namespace {

constexpr std::int64_t kAnswers = 6, kRight = 2, kGroup = 8;
constexpr double kBeta = 0.01, kTau = 0.2, kRate = 1.0;

struct Drawn {
  at::Tensor answers;           // [G] i64
  std::vector<double> rewards;  // [G]
};

Drawn draw(const at::Tensor& logits, std::uint64_t step) {
  const at::Tensor up_to = at::softmax(logits.detach(), -1).cumsum(-1);
  std::vector<std::int64_t> answers;
  std::vector<double> rewards;
  for (std::uint32_t i = 0; i < kGroup; ++i) {
    const auto answer = std::min(kAnswers - 1, (up_to <= grpo::uniform({7, step, i, 0})).sum().item<std::int64_t>());
    answers.push_back(answer);
    rewards.push_back(answer < kRight ? 1.0 : 0.0);
  }
  return {at::tensor(answers), rewards};
}

at::Tensor log_probs(const at::Tensor& logits, const Drawn& drawn) { return at::log_softmax(logits, -1).index_select(0, drawn.answers); }

at::Tensor grpo_loss(const at::Tensor& now, const at::Tensor& sampled, const at::Tensor& reference, const at::Tensor& advantages) {
  const at::Tensor ratio = (now - sampled).exp();
  return (grpo::clipped_surrogate(ratio, advantages, {}) + kBeta * grpo::kl_k3(now, reference)).mean();
}

at::Tensor listwise_loss(const at::Tensor& now, const at::Tensor& weights) { return -(weights * at::log_softmax(now, -1)).sum(); }

// One step of gradient descent; returns the gradient.
at::Tensor descend(at::Tensor& logits, const at::Tensor& loss) {
  loss.backward();
  at::Tensor gradient = logits.grad().clone();
  logits.mutable_grad().reset();
  logits.detach().sub_(gradient, kRate);
  return gradient;
}

bool train(const char* name, bool maxent) {
  at::Tensor logits = at::zeros({kAnswers}, at::kDouble).requires_grad_();
  const at::Tensor first = logits.detach().clone(), picks = at::eye(kAnswers, at::kDouble);
  double off = 0.0;  // how far a gradient was from its closed form
  for (std::uint64_t step = 0; step < 200; ++step) {
    const Drawn drawn = draw(logits, step);
    const at::Tensor sampled = log_probs(logits, drawn).detach(), reference = log_probs(first, drawn);
    const auto advantages =
        at::tensor(grpo::estimate_advantages(drawn.rewards, std::vector<std::int64_t>(kGroup, 0), {}).values, at::kDouble);
    const auto weights = at::tensor(grpo::tempered_softmax(drawn.rewards, kTau), at::kDouble);
    const at::Tensor from_uniform = picks.index_select(0, drawn.answers) - at::softmax(logits.detach(), -1);  // d s_i / d logits
    // On policy every ratio is 1: d L / d s_i = (-A_i + beta (1 - exp(reference - s))) / G, and p_i - w_i.
    const at::Tensor by_hand =
        maxent ? at::softmax(sampled, -1) - weights : (-advantages + kBeta * (1.0 - (reference - sampled).exp())) / kGroup;
    for (int pass = 0; pass < 2; ++pass) {  // the second pass meets ratios other than 1
      const at::Tensor now = log_probs(logits, drawn);
      const auto gradient = descend(logits, maxent ? listwise_loss(now, weights) : grpo_loss(now, sampled, reference, advantages));
      if (pass == 0) off = std::max(off, (gradient - by_hand.matmul(from_uniform)).abs().max().item<double>());
    }
  }
  const at::Tensor p = at::softmax(logits.detach(), -1);
  const double one = p[0].item<double>(), other = p[1].item<double>();
  std::printf("%-8s p(right) %.3f = %.3f + %.3f, gradients within %.0e of their closed forms\n", name, one + other, one, other, off);
  // Both methods find the right answers; GRPO settles on the one that was drawn more often, MaxEnt-GRPO keeps both.
  return one + other > 0.9 && off < 1e-9 && (std::min(one, other) > 0.4) == maxent;
}

}  // namespace

int main() try {
  const bool plain = train("GRPO", false), maxent = train("listwise", true);
  return plain && maxent ? 0 : 1;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
