#include "libgrpo/objective/hybrid.hpp"
#include "libgrpo/objective/listwise.hpp"
#include "libgrpo/objective/maxent_clip.hpp"
#include "libgrpo/objective/target_weights.hpp"
#include "libgrpo/objective/token_entropy.hpp"
#include "libgrpo/objective/weighted_mle.hpp"
#include "libgrpo/objective/xdr.hpp"

#include "tests/contract/objective_contract.hpp"
#include "tests/support/groups.hpp"
#include "tests/support/tensors.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

using namespace grpo;
using grpo::contract::evaluate_objective;
using grpo::contract::ObjectiveWorld;
using grpo::testing::max_abs_difference;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
const double kNaN = std::nan("");

MaxentOptions maxent(double tau, bool normalise = false) {
  MaxentOptions m;
  m.maxent_tau = tau;
  m.maxent_length_normalize_policy = normalise;
  return m;
}

ObjectiveOptions with_beta(double beta) {
  ObjectiveOptions o;
  o.beta = beta;
  return o;
}

/// Log-probs of whole completions [B,G] with gradient, from the world's tokens.
at::Tensor sequences(const ObjectiveWorld& world, const at::Tensor& tokens, bool normalise) {
  const Batch batch(world.groups);
  std::vector<at::Tensor> values;
  for (std::int64_t i = 0; i < batch.num_completions(); ++i) {
    const auto first = batch.first_token()[static_cast<std::size_t>(i)];
    const auto own = tokens.narrow(0, first, batch.length(i));
    values.push_back(normalise ? own.mean() : own.sum());
  }
  return at::stack(values).view({batch.num_groups(), -1});
}

at::Tensor weights_of(const Credit& credit, std::int64_t groups) { return at::tensor(credit.coefficients, at::kFloat).view({groups, -1}); }

const ObjectiveWorld& signal_world() {
  static const ObjectiveWorld world({{1, 0, 0, 0.5}, {0.2, 0.2, 0.9, 0.1}, {0, 1, 1, 0}});
  return world;
}

}  // namespace

TEST_CASE("listwise: the closed form is the gradient of the cross-entropy, and its value is the loss") {
  for (const bool normalise : {false, true})
    for (const double beta : {0.0, 0.5}) {
      const ObjectiveWorld& world = signal_world();
      const Listwise objective(with_beta(beta), maxent(0.3, normalise), {});
      const auto closed = evaluate_objective(objective, world);
      const Batch batch(world.groups);
      auto leaf = world.log_probs.clone().requires_grad_(true);
      const auto loss = listwise_cross_entropy(sequences(world, leaf, normalise), weights_of(world.credit(objective, batch), 3));
      loss.backward();
      CHECK(closed.loss == Approx(loss.item<double>()).epsilon(1e-5));
      CHECK(max_abs_difference(closed.log_prob_grad, leaf.grad()) < 1e-6);
    }
}

TEST_CASE("listwise: finite differences in float64, and the gradient is p - w") {
  at::manual_seed(9);
  const auto s = at::randn({2, 4}, at::kDouble), w = at::softmax(at::randn({2, 4}, at::kDouble), -1);
  auto leaf = s.clone().requires_grad_(true);
  listwise_cross_entropy(leaf, w).backward();
  CHECK(max_abs_difference(leaf.grad(), (at::softmax(s, -1) - w) / 2) < 1e-15);
  for (std::int64_t i = 0; i < 8; ++i) {
    auto up = s.clone().view({-1}), down = up.clone();
    up[i] += 1e-6;
    down[i] -= 1e-6;
    const double slope = (listwise_cross_entropy(up.view({2, 4}), w) - listwise_cross_entropy(down.view({2, 4}), w)).item<double>() / 2e-6;
    CHECK(leaf.grad().view({-1})[i].item<double>() == Approx(slope).margin(1e-9));
  }
}

TEST_CASE("listwise: at the fixed point the gradient is zero, and equal rewards have equal probability") {
  // Log-probs such that p = w: nothing moves. Completions of one token, so a log-prob is a completion's.
  ObjectiveWorld world({{1, 0, 1, 0}});
  for (Completion& c : world.groups[0].completions) c.ids.resize(1), c.log_probs.resize(1), c.entropies.resize(1);
  const Listwise objective(with_beta(0.0), maxent(0.5), {});
  const Batch batch(world.groups);
  world.log_probs = at::zeros({4});
  const auto w = world.credit(objective, batch).coefficients;
  CHECK(w[0] == w[2]);
  CHECK(w[1] == w[3]);
  world.old_log_probs = world.ref_log_probs = world.entropies = at::zeros({4});
  world.log_probs = at::tensor(w, at::kFloat).log();
  CHECK(evaluate_objective(objective, world).log_prob_grad.abs().max().item<double>() < 1e-7);
  // Descent from anywhere else ends there.
  world.log_probs = at::tensor({-0.1F, -3.0F, -4.0F, -0.5F});
  for (int i = 0; i < 2000; ++i) world.log_probs = world.log_probs - evaluate_objective(objective, world).log_prob_grad;
  const auto p = at::softmax(world.log_probs, 0);
  for (std::int64_t i = 0; i < 4; ++i) CHECK(p[i].item<double>() == Approx(w[static_cast<std::size_t>(i)]).epsilon(1e-3));
}

TEST_CASE("listwise: which groups take part") {
  const ObjectiveWorld world({{1, 0, 0, 0}, {0.4, 0.4, 0.4, 0.4}, {kNaN, 1, kNaN, kNaN}, {kNaN, kNaN, kNaN, kNaN}});
  const Batch batch(world.groups);
  const Listwise skips(with_beta(0.0), maxent(0.3), {});
  const Credit credit = world.credit(skips, batch);
  for (std::size_t i = 0; i < 16; ++i) CHECK(credit.active[i] == (i < 4));
  CHECK(credit.metrics.at("maxent/active_group_frac") == Approx(0.25));
  MaxentOptions all = maxent(0.3);
  all.maxent_listwise_skip_zero_variance_groups = false;
  const Credit with_equal = world.credit(Listwise(with_beta(0.0), all, {}), batch);
  for (std::size_t i = 0; i < 16; ++i) CHECK(with_equal.active[i] == (i < 8));
  CHECK(with_equal.coefficients[5] == Approx(0.25));
  // A truncated completion leaves its group where truncated ones are masked.
  ObjectiveWorld cut({{1, 0, 0, 0.5}});
  cut.groups[0].completions[0].finish = FinishReason::length;
  ObjectiveOptions mask;
  mask.mask_truncated_completions = true;
  const Batch cut_batch(cut.groups);
  const Credit masked = cut.credit(Listwise(mask, maxent(0.3), {}), cut_batch);
  CHECK(masked.active == std::vector<bool>{false, true, true, true});
  CHECK(masked.coefficients[0] == 0.0);
  CHECK(masked.coefficients[1] + masked.coefficients[2] + masked.coefficients[3] == Approx(1.0));
}

TEST_CASE("listwise: weights go to the best as tau falls, to the reference as beta grows, to uniform as tau grows") {
  const ObjectiveWorld& world = signal_world();
  const Batch batch(world.groups);
  const auto weights = [&](double tau, double beta) {
    return world.credit(Listwise(with_beta(beta), maxent(tau), {}), batch).coefficients;
  };
  CHECK(weights(0.0, 0.0)[0] == 1.0);
  CHECK(weights(0.0, 0.0)[9] == 0.5);
  CHECK(weights(kInfinity, 0.0)[3] == Approx(0.25));
  CHECK(weights(1e9, 0.0)[3] == Approx(0.25));
  MaxentOptions sums = maxent(0.1);
  sums.maxent_length_normalize_ref = false;
  const auto by_reference = world.credit(Listwise(with_beta(1e7), sums, {}), batch).coefficients;
  const auto ref = at::softmax(sequences(world, world.ref_log_probs, false).to(at::kDouble), -1).view({-1});
  for (std::int64_t i = 0; i < 12; ++i) CHECK(by_reference[static_cast<std::size_t>(i)] == Approx(ref[i].item<double>()).epsilon(1e-4));
}

TEST_CASE("weighted_mle: the closed form is the gradient of the weighted likelihood") {
  const ObjectiveWorld& world = signal_world();
  for (const bool normalise : {false, true}) {
    const WeightedMle objective(with_beta(0.3), maxent(0.3, normalise), {});
    const auto closed = evaluate_objective(objective, world);
    const Batch batch(world.groups);
    auto leaf = world.log_probs.clone().requires_grad_(true);
    const auto loss = weighted_mle(sequences(world, leaf, normalise), weights_of(world.credit(objective, batch), 3));
    loss.backward();
    CHECK(closed.loss == Approx(loss.item<double>()).epsilon(1e-5));
    CHECK(max_abs_difference(closed.log_prob_grad, leaf.grad()) < 1e-6);
    CHECK(closed.log_prob_grad.max().item<double>() <= 0.0);  // it only ever pushes up
  }
}

TEST_CASE("clip: GRPO's loss with w - 1/G as advantages, in its own clip range") {
  const ObjectiveWorld& world = signal_world();
  const Batch batch(world.groups);
  MaxentOptions m = maxent(0.3);
  m.maxent_clip_objective_coef = 2.0;
  m.maxent_clip_range = 0.05;
  const MaxentClip objective(with_beta(0.0), m, {});
  const Credit credit = world.credit(objective, batch);
  ObjectiveOptions narrow;
  narrow.epsilon = 0.05;
  std::vector<double> advantages;
  for (const double w : credit.coefficients) advantages.push_back(2.0 * (w - 0.25));
  LossInput in;
  in.scores.log_probs = world.log_probs;
  in.old_log_probs = world.old_log_probs;
  in.completion = batch.completion_of();
  in.completions = 12;
  in.advantages = at_tokens(advantages, batch);
  in.token_weights = at::full_like(world.log_probs, 1.0 / static_cast<double>(batch.num_tokens()));
  CHECK(evaluate_objective(objective, world).loss == Approx(TokenLoss(narrow)(in, 0.0).total.item<double>()).epsilon(1e-5));
  m.maxent_clip_adv_baseline = 0.0;
  CHECK(world.credit(MaxentClip(with_beta(0.0), m, {}), batch).advantages.min().item<double>() >= 0.0);
}

TEST_CASE("listwise with the clip objective is the sum of the two") {
  const ObjectiveWorld& world = signal_world();
  MaxentOptions m = maxent(0.3);
  const auto plain = evaluate_objective(Listwise(with_beta(0.0), m, {}), world),
             clip = evaluate_objective(MaxentClip(with_beta(0.0), m, {}), world);
  m.maxent_use_clip_objective = true;
  const auto both = evaluate_objective(Listwise(with_beta(0.0), m, {}), world);
  CHECK(both.loss == Approx(plain.loss + clip.loss).epsilon(1e-5));
  CHECK(max_abs_difference(both.log_prob_grad, plain.log_prob_grad + clip.log_prob_grad) < 1e-6);
}

TEST_CASE("maxent_clip_range bounds the clip term wherever it is added") {
  const ObjectiveWorld& world = signal_world();
  MaxentOptions m = maxent(0.3);
  m.maxent_clip_range = 0.01;
  const auto clip = evaluate_objective(MaxentClip(with_beta(0.0), m, {}), world);
  for (const bool listwise : {true, false}) {
    m.maxent_use_clip_objective = false;
    const auto make = [&]() -> std::unique_ptr<Objective> {
      if (listwise) return std::make_unique<Listwise>(with_beta(0.0), m, ObjectiveContext());
      return std::make_unique<WeightedMle>(with_beta(0.0), m, ObjectiveContext());
    };
    const auto plain = evaluate_objective(*make(), world);
    m.maxent_use_clip_objective = true;
    const auto both = evaluate_objective(*make(), world);
    CHECK(both.loss == Approx(plain.loss + clip.loss).epsilon(1e-5));
    CHECK(max_abs_difference(both.log_prob_grad, plain.log_prob_grad + clip.log_prob_grad) < 1e-6);
  }
}

TEST_CASE("hybrid: GRPO plus coefficient times listwise, on its schedule") {
  // One group of four without a signal: listwise alone takes the mean over three.
  const ObjectiveWorld world({{1, 0, 0, 0.5}, {0.2, 0.2, 0.9, 0.1}, {0, 1, 1, 0}, {1, 1, 1, 1}});
  const double share = 3.0 / 4.0;
  MaxentOptions m = maxent(0.3);
  m.maxent_hybrid_coef = 1.0;
  m.maxent_hybrid_coef_final = 0.2;
  m.maxent_hybrid_horizon = 4;
  const auto grpo = evaluate_objective(Grpo(with_beta(0.1)), world), listwise = evaluate_objective(Listwise(with_beta(0.1), m, {}), world);
  Hybrid hybrid(with_beta(0.1), m, {});
  for (const double c : {1.0, 0.8, 0.6, 0.4, 0.2, 0.2}) {
    const auto both = evaluate_objective(hybrid, world);
    CHECK(hybrid.coefficient() == Approx(c));
    CHECK(both.loss == Approx(grpo.loss + c * share * listwise.loss).epsilon(1e-5));
    CHECK(max_abs_difference(both.log_prob_grad, grpo.log_prob_grad + c * share * listwise.log_prob_grad) < 1e-6);
    hybrid.observe({});
  }
}

TEST_CASE("xdr: at tau = infinity it is Dr.GRPO to the last bit") {
  ObjectiveOptions o;
  o.loss_type = LossType::dr_grpo;
  o.scale_rewards = ScaleRewards::none;
  o.beta = 0.1;
  const ObjectiveWorld& world = signal_world();
  const auto dr = evaluate_objective(Grpo(o), world), xdr = evaluate_objective(Xdr(o, maxent(kInfinity), {}), world);
  CHECK(dr.loss == xdr.loss);
  CHECK(at::equal(dr.log_prob_grad, xdr.log_prob_grad));
}

TEST_CASE("xdr: row weights sum to G, are the exact argmax set at tau = 0, and tend to 1") {
  const std::vector<double> u{0.3, -0.1, 0.3, 0.0};
  CHECK(xdr_weights(u, 0.0) == std::vector<double>{2.0, 0.0, 2.0, 0.0});
  for (const double v : xdr_weights(u, kInfinity)) CHECK(v == 1.0);
  for (const double tau : {1e-4, 0.05, 1.0, 1e6}) {
    const auto f = xdr_weights(u, tau);
    CHECK(f[0] + f[1] + f[2] + f[3] == Approx(4.0));
    CHECK(f[0] == f[2]);
    CHECK(f[0] >= f[3]);
    CHECK(f[3] >= f[1]);
    CHECK(f[0] / f[3] == Approx(std::exp(0.3 / tau)));
    if (tau > 1e5) CHECK(f[1] == Approx(1.0).epsilon(1e-5));
  }
  CHECK(xdr_weights({0, 0, 0}, 0.05) == std::vector<double>{1.0, 1.0, 1.0});
  CHECK_THROWS(xdr_weights(u, -1.0));
  CHECK_THROWS(xdr_weights(u, kNaN));
}

TEST_CASE("xdr: the utility is the advantage times the share of the length, and more modes soften a group") {
  ObjectiveContext context;
  context.max_completion_length = 10;
  const auto groups = grpo::testing::make_groups({4});  // lengths 1 to 4
  const Batch batch(groups);
  auto table = grpo::testing::rewards({1, 1, 0, 0});
  const auto factors = [&](bool adaptive) {
    MaxentOptions m = maxent(0.05);
    m.maxent_xdr_mode_adaptive = adaptive;
    const Credit credit = Xdr(ObjectiveOptions(), m, context).credit({table, batch});
    std::vector<double> f;
    for (std::size_t i = 0; i < 4; ++i) f.push_back(credit.coefficients[i] / (i < 2 ? 0.5 : -0.5));
    return f;
  };
  const std::vector<double> u{0.05, 0.1, -0.15, -0.2};
  const auto expected = xdr_weights(u, 0.05);
  for (std::size_t i = 0; i < 4; ++i) CHECK(factors(false)[i] == Approx(expected[i]));
  table.modes = {"7", "7", "", ""};
  const auto one = xdr_weights(u, 0.05 / std::log(2.0)), two = xdr_weights(u, 0.05 / std::log(3.0));
  CHECK(factors(true)[0] == Approx(one[0]));
  table.modes = {"7", "8", "", ""};
  CHECK(factors(true)[0] == Approx(two[0]));
  table.modes = {"", "", "", ""};  // unknown answers count one by one
  CHECK(factors(true)[0] == Approx(two[0]));
}

TEST_CASE("token_entropy: GRPO less alpha times the normalised entropy, averaged as the loss type asks") {
  const ObjectiveWorld& world = signal_world();
  const Batch batch(world.groups);
  ObjectiveContext context;
  context.vocab_size = 100;
  for (const LossType type : {LossType::grpo, LossType::dapo}) {
    ObjectiveOptions o;
    o.loss_type = type;
    MaxentOptions m;
    m.maxent_alpha = 0.2;
    const auto plain = evaluate_objective(Grpo(o, context), world), bonus = evaluate_objective(TokenEntropy(o, m, context), world);
    const auto mean = type == LossType::dapo ? world.entropies.mean() : sequences(world, world.entropies, true).mean();
    CHECK(bonus.loss == Approx(plain.loss - 0.2 * mean.item<double>() / std::log(100.0)).epsilon(1e-5));
    CHECK(max_abs_difference(bonus.log_prob_grad, plain.log_prob_grad) < 1e-7);
  }
}

TEST_CASE("token_entropy: the multiplier follows the KL of the step before") {
  MaxentOptions m;
  m.maxent_alpha = 1.0;
  m.maxent_alpha_kl_threshold = 0.1;
  m.maxent_alpha_kl_gain = 1.0;
  m.maxent_alpha_raise_on_low_kl = m.maxent_alpha_lower_on_high_kl = true;
  TokenEntropy objective(ObjectiveOptions(), m, {});
  CHECK(objective.multiplier() == 1.0);
  const auto after = [&](double kl) {
    objective.observe({{"kl", kl}});
    return objective.multiplier();
  };
  CHECK(after(0.05) == Approx(1.5));
  CHECK(after(0.15) == Approx(1 / 1.5));
  CHECK(after(10.0) == Approx(0.5));  // held
  CHECK(after(0.1) == Approx(1.0));
  CHECK(after(kNaN) == 1.0);
  m.maxent_alpha_disable_outside_trust_zone = true;
  TokenEntropy gated(ObjectiveOptions(), m, {});
  gated.observe({{"kl", 0.2}});
  CHECK(gated.multiplier() == 0.0);
  gated.observe({{"kl", kNaN}});
  CHECK(gated.multiplier() == 0.0);
  gated.observe({{"kl", 0.05}});
  CHECK(gated.multiplier() == Approx(1.5));
}
