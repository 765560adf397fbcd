#include "libgrpo/tensor/token_scores.hpp"

#include "libgrpo/tensor/kl.hpp"
#include "tests/support/tensors.hpp"

#include <catch2/catch.hpp>

using namespace grpo;
using grpo::testing::gradients;
using grpo::testing::max_abs_difference;

TEST_CASE("fused token scores equal the reference, values and gradients, over many columns") {
  at::manual_seed(1);
  const auto hidden = at::randn({37, 24}), weight = at::randn({800000, 24}) * 0.3;
  const auto targets = at::randint(0, 800000, {37}, at::kLong);
  const double temperature = GENERATE(1.0, 0.7);
  const auto weights = at::randn({2, 37});
  const auto fast = [&](const std::vector<at::Tensor>& x) {
    const auto s = token_scores(x[0], x[1], targets, temperature);
    return at::stack({s.log_probs, s.entropies});
  };
  const auto plain = [&](const std::vector<at::Tensor>& x) {
    // In double: a float sum over 800,000 exponentials would itself be off by 1e-3.
    const auto s = token_scores_reference(x[0].to(at::kDouble), x[1].to(at::kDouble), targets, temperature);
    return at::stack({s.log_probs, s.entropies});
  };
  CHECK(max_abs_difference(fast({hidden, weight}), plain({hidden, weight})) < 1e-4);
  const auto a = gradients(fast, {hidden, weight}, weights), b = gradients(plain, {hidden, weight}, weights);
  for (std::size_t i = 0; i < 2; ++i) CHECK(max_abs_difference(a[i], b[i]) < 1e-4 * b[i].abs().max().item<double>());
}

TEST_CASE("token scores do not depend on where tiles end, values and gradients") {
  at::manual_seed(3);
  const double softcap = GENERATE(0.0, 5.0);
  const std::int64_t rows = 1030, vocabulary = 4099;  // two tiles of rows, three of columns
  const auto hidden = at::randn({rows, 16}), weight = at::randn({vocabulary, 16});
  auto targets = at::randint(0, vocabulary, {rows}, at::kLong);
  for (const std::int64_t edge : {0, 2047, 2048, 4095, 4096, 4098}) targets[edge % 7] = edge;
  // The largest logit comes first, last, and in the middle.
  for (const std::int64_t row : {3, 2500, 4098}) weight[row] *= 6.0;
  const auto weights = at::randn({2, rows});
  const auto scores = [&](const auto& of) {
    return [&targets, &of, softcap](const std::vector<at::Tensor>& x) {
      const TokenScores s = of(x[0], x[1], targets, 0.8, softcap);
      return at::stack({s.log_probs, s.entropies});
    };
  };
  const auto fused = [](const auto&... of) { return token_scores(of...); };
  const auto fast = scores(fused);
  const auto plain = scores(token_scores_reference);
  CHECK(max_abs_difference(fast({hidden, weight}), plain({hidden, weight})) < 1e-4);
  const auto a = gradients(fast, {hidden, weight}, weights), b = gradients(plain, {hidden, weight}, weights);
  for (std::size_t i = 0; i < 2; ++i) CHECK(max_abs_difference(a[i], b[i]) < 1e-4 * b[i].abs().max().item<double>());
}

TEST_CASE("token scores that are known have the gradient of those that are computed") {
  at::manual_seed(4);
  const double softcap = GENERATE(0.0, 5.0);
  const std::int64_t rows = 1030, vocabulary = 4099;
  const auto hidden = at::randn({rows, 16}), weight = at::randn({vocabulary, 16});
  const auto targets = at::randint(0, vocabulary, {rows}, at::kLong);
  const auto weights = at::randn({2, rows});
  const TokenScores known = token_scores_reference(hidden, weight, targets, 0.8, softcap);
  const auto fast = [&](const std::vector<at::Tensor>& x) {
    const TokenScores s = token_scores(x[0], x[1], targets, 0.8, softcap, known);
    return at::stack({s.log_probs, s.entropies});
  };
  const auto plain = [&](const std::vector<at::Tensor>& x) {
    const TokenScores s = token_scores_reference(x[0], x[1], targets, 0.8, softcap);
    return at::stack({s.log_probs, s.entropies});
  };
  CHECK(max_abs_difference(fast({hidden, weight}), plain({hidden, weight})) == 0.0);
  const auto a = gradients(fast, {hidden, weight}, weights), b = gradients(plain, {hidden, weight}, weights);
  for (std::size_t i = 0; i < 2; ++i) CHECK(max_abs_difference(a[i], b[i]) < 1e-4 * b[i].abs().max().item<double>());
}

TEST_CASE("scores of other weights are found out in the backward pass") {
  at::manual_seed(5);
  const auto hidden = at::randn({6, 16}).requires_grad_(), weight = at::randn({300, 16});
  const auto targets = at::randint(0, 300, {6}, at::kLong);
  TokenScores known = token_scores_reference(hidden.detach(), weight, targets, 1.0);
  known.log_probs[4] += 0.05;
  const auto loss = token_scores(hidden, weight, targets, 1.0, 0.0, known).log_probs.sum();
  CHECK_THROWS_WITH(loss.backward(), Catch::Contains("those of other weights"));
}

TEST_CASE("soft-capped token scores equal the reference, values and gradients") {
  at::manual_seed(2);
  const auto hidden = at::randn({9, 24}), weight = at::randn({300, 24});
  const auto targets = at::randint(0, 300, {9}, at::kLong);
  const auto weights = at::randn({2, 9});
  const auto fast = [&](const std::vector<at::Tensor>& x) {
    const auto s = token_scores(x[0], x[1], targets, 0.7, 5.0);
    return at::stack({s.log_probs, s.entropies});
  };
  const auto plain = [&](const std::vector<at::Tensor>& x) {
    const auto z = 5.0 * at::tanh(at::linear(x[0], x[1]) / 5.0) / 0.7;
    const auto log_p = at::log_softmax(z, -1);
    return at::stack({log_p.gather(1, targets.unsqueeze(1)).squeeze(1), -(log_p.exp() * log_p).sum(-1)});
  };
  CHECK(max_abs_difference(fast({hidden, weight}), plain({hidden, weight})) < 1e-5);
  const auto a = gradients(fast, {hidden, weight}, weights), b = gradients(plain, {hidden, weight}, weights);
  for (std::size_t i = 0; i < 2; ++i) CHECK(max_abs_difference(a[i], b[i]) < 1e-4);
}

TEST_CASE("entropy of a uniform distribution is log V, and its gradient is zero") {
  const auto hidden = at::zeros({3, 5}), weight = at::ones({64, 5});
  const auto s = token_scores(hidden, weight, at::zeros({3}, at::kLong), 1.0);
  CHECK(s.entropies[0].item<double>() == Approx(std::log(64.0)));
  CHECK(s.log_probs[2].item<double>() == Approx(-std::log(64.0)));
}

TEST_CASE("token scores stay finite for logits of hundreds") {
  auto weight = at::zeros({50, 2});
  weight[7][0] = 1.0;
  weight[8][0] = -1.0;
  const auto hidden = at::full({1, 2}, 400.0);
  const auto s = token_scores(hidden, weight, at::full({1}, 8, at::kLong), 1.0);
  CHECK(s.log_probs.item<double>() == Approx(-800.0));
  CHECK(s.entropies.item<double>() == Approx(0.0).margin(1e-6));
}

TEST_CASE("k3 is zero at equality, positive elsewhere, and does not overflow") {
  const auto lp = at::tensor({-1.0, -2.0, -200.0}), ref = at::tensor({-1.0, -1.5, -1.0});
  const auto kl = kl_k3(lp, ref);
  CHECK(kl[0].item<double>() == Approx(0.0).margin(1e-7));
  CHECK(kl[1].item<double>() == Approx(std::exp(0.5) - 1.5));
  CHECK(std::isfinite(kl[2].item<double>()));
}
