#include "libgrpo/objective/grpo.hpp"

#include "tests/support/tensors.hpp"
#include "tests/support/tiny_model.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

using namespace grpo;

namespace {

struct Tokens {
  at::Tensor lp, old, ref, a, w;
};

/// Ratios on both sides of the clip range, both signs of the advantage.
Tokens tokens(std::int64_t n) {
  at::manual_seed(4);
  const auto options = at::TensorOptions().dtype(at::kDouble);
  Tokens t;
  t.old = -at::rand({n}, options) * 3;
  t.lp = t.old + at::randn({n}, options) * 0.4;
  t.ref = t.old + at::randn({n}, options) * 0.3;
  t.a = at::randn({n}, options);
  t.w = at::rand({n}, options) / static_cast<double>(n);
  return t;
}

at::Tensor loss_of(const Grpo& objective, const Tokens& t, const at::Tensor& lp) {
  const TokenScores scores{lp, at::Tensor()};
  return objective.loss({scores, t.old, t.ref, t.a, t.w}).total;
}

/// The formula of the header, token by token.
double by_hand(const ObjectiveOptions& o, const Tokens& t) {
  double sum = 0.0;
  for (std::int64_t i = 0; i < t.lp.size(0); ++i) {
    const auto at = [i](const at::Tensor& x) { return x[i].item<double>(); };
    const double rho = std::exp(at(t.lp) - at(t.old)), a = at(t.a);
    const double clipped = std::clamp(rho, 1.0 - o.epsilon, 1.0 + o.epsilon_high.value_or(o.epsilon));
    const double d = at(t.ref) - at(t.lp);
    const double kl = std::exp(d) - d - 1.0;
    sum += at(t.w) * (-std::min(rho * a, clipped * a) + o.beta * (o.use_bias_correction_kl ? rho * kl : kl));
  }
  return sum;
}

ObjectiveOptions options(double beta, bool corrected, std::optional<double> high) {
  ObjectiveOptions o;
  o.beta = beta;
  o.use_bias_correction_kl = corrected;
  o.epsilon_high = high;
  return o;
}

std::vector<Group> two_groups() {
  std::vector<Group> groups;
  for (std::uint64_t g = 0; g < 2; ++g) {
    Group group{grpo::testing::make_prompt(g, g == 0 ? "q0" : "q1"), {}};
    for (int length : {1, 2, 3}) {
      Completion c;
      c.ids.assign(static_cast<std::size_t>(length), 65);
      c.log_probs.assign(c.ids.size(), -1.0F);
      group.completions.push_back(c);
    }
    groups.push_back(group);
  }
  return groups;
}

RewardTable rewards(const std::vector<double>& values) {
  RewardTable t;
  t.columns = {{"r", 1.0, {}, 0.0}};
  for (const double v : values) t.columns[0].rewards.push_back(Reward::of(v));
  return t;
}

}  // namespace

TEST_CASE("the GRPO loss equals its formula and passes finite differences in float64") {
  const double beta = GENERATE(0.0, 0.04);
  const bool corrected = GENERATE(true, false);
  const auto high = GENERATE(std::optional<double>(), std::optional<double>(0.5));
  const auto o = options(beta, corrected, high);
  const Grpo objective(o);
  const Tokens t = tokens(40);
  auto lp = t.lp.clone().requires_grad_(true);
  const auto loss = loss_of(objective, t, lp);
  CHECK(loss.item<double>() == Approx(by_hand(o, t)).epsilon(1e-12));
  loss.backward();
  for (std::int64_t i = 0; i < 40; ++i) {
    const double h = 1e-6;
    auto up = t.lp.clone(), down = t.lp.clone();
    up[i] += h;
    down[i] -= h;
    const double slope = (loss_of(objective, t, up).item<double>() - loss_of(objective, t, down).item<double>()) / (2 * h);
    CHECK(lp.grad()[i].item<double>() == Approx(slope).margin(1e-9));
  }
}

TEST_CASE("at ratio 1 the gradient is that of REINFORCE") {
  const Grpo objective(options(0.0, true, {}));
  Tokens t = tokens(20);
  t.lp = t.old.clone();
  auto lp = t.lp.clone().requires_grad_(true);
  loss_of(objective, t, lp).backward();
  CHECK(grpo::testing::max_abs_difference(lp.grad(), -t.a * t.w) < 1e-15);
}

TEST_CASE("extreme log-probs give a finite loss and gradient") {
  const Grpo objective(options(0.1, true, {}));
  Tokens t = tokens(2);
  t.old = at::tensor({-1000.0, -1.0}, at::kDouble);
  t.lp = at::tensor({-1.0, -1000.0}, at::kDouble);
  t.ref = at::tensor({-1000.0, -1.0}, at::kDouble);
  auto lp = t.lp.clone().requires_grad_(true);
  const auto loss = loss_of(objective, t, lp);
  loss.backward();
  CHECK(std::isfinite(loss.item<double>()));
  CHECK(lp.grad().isfinite().all().item<bool>());
}

TEST_CASE("normalisers: grpo weighs completions alike, dapo weighs tokens alike; both sum to one") {
  const auto groups = two_groups();
  const Batch batch(groups);
  ObjectiveOptions o;
  o.loss_type = LossType::grpo;
  const auto by_completion = Grpo(o).credit(rewards({1, 0, 0, 1, 1, 0}), batch, {}).token_weights;
  CHECK(by_completion[0].item<double>() == Approx(1.0 / 6));
  CHECK(by_completion[1].item<double>() == Approx(1.0 / 12));
  CHECK(by_completion.sum().item<double>() == Approx(1.0));
  o.loss_type = LossType::dapo;
  const auto by_token = Grpo(o).credit(rewards({1, 0, 0, 1, 1, 0}), batch, {}).token_weights;
  CHECK(by_token[0].item<double>() == Approx(1.0 / 12));
  CHECK(by_token.sum().item<double>() == Approx(1.0));
}

TEST_CASE("a group without signal is not scored, unless a KL term wants it") {
  const auto groups = two_groups();
  const Batch batch(groups);
  ObjectiveOptions o;
  const auto credit = Grpo(o).credit(rewards({1, 1, 1, 1, 0, 0}), batch, {});
  CHECK(credit.active == std::vector<bool>{false, false, false, true, true, true});
  CHECK(credit.metrics.at("frac_reward_zero_std") == Approx(0.5));
  CHECK(credit.metrics.at("reward") == Approx(4.0 / 6));
  o.beta = 0.01;
  CHECK(Grpo(o).credit(rewards({1, 1, 1, 1, 0, 0}), batch, {}).active == std::vector<bool>(6, true));
}

TEST_CASE("clip metrics count tokens whose gradient the clip removes") {
  Tokens t = tokens(3);
  t.old = at::zeros({3}, at::kDouble);
  t.lp = at::tensor({0.5, -0.5, 0.5}, at::kDouble);
  t.a = at::tensor({1.0, -1.0, -1.0}, at::kDouble);
  const TokenScores scores{t.lp, at::Tensor()};
  const auto means = Grpo(ObjectiveOptions()).loss({scores, t.old, t.ref, t.a, t.w}).meters.means();
  CHECK(means.at("clip_ratio/high_mean") == Approx(1.0 / 3));
  CHECK(means.at("clip_ratio/low_mean") == Approx(1.0 / 3));
  CHECK(means.at("clip_ratio/region_mean") == Approx(2.0 / 3));
}
