/// What every Objective must do. Run it on your own: objective_contract([] { return std::make_unique<Mine>(...); }).
///
/// Log-probs are free numbers here, not a model's: what is tried is the arithmetic of credit and loss.
#pragma once

#include "libgrpo/objective/objective.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <numeric>

namespace grpo::contract {

/// Groups of four completions of 1 to 5 tokens, and numbers for all tokens.
struct ObjectiveWorld {
  std::vector<Group> groups;
  RewardTable rewards;
  at::Tensor old_log_probs, log_probs, ref_log_probs, entropies;  // [T] f32

  explicit ObjectiveWorld(const std::vector<std::vector<double>>& values) {
    at::manual_seed(3);
    rewards.columns = {{"reward", 1.0, {}, 0.0}};
    std::int32_t id = 0;
    for (std::size_t g = 0; g < values.size(); ++g) {
      Group group;
      group.prompt.id = g;
      group.prompt.ids = {1, 2, static_cast<std::int32_t>(g)};
      for (std::size_t i = 0; i < values[g].size(); ++i) {
        Completion c;
        c.ids.assign(1 + (i * 3 + g) % 5, id++);
        c.log_probs.assign(c.ids.size(), 0.0F);
        c.entropies.assign(c.ids.size(), 1.0F);
        c.finish = FinishReason::stop;
        group.completions.push_back(c);
        const double r = values[g][i];
        rewards.columns[0].rewards.push_back(std::isnan(r) ? Reward::failed("lost") : Reward::of(r));
        rewards.modes.push_back("mode " + std::to_string(i % 2));
      }
      groups.push_back(group);
    }
    const auto tokens = Batch(groups).num_tokens();
    old_log_probs = -at::rand({tokens}) * 2;
    for (auto [t, list] : {std::pair{&log_probs, 0.3}, std::pair{&ref_log_probs, 0.2}}) *t = old_log_probs + at::randn({tokens}) * list;
    entropies = at::rand({tokens}) * 2;
  }
  [[nodiscard]] Credit credit(const Objective& objective, const Batch& batch) const {
    return objective.credit({rewards, batch, ref_log_probs, old_log_probs, log_probs, entropies});
  }
};

/// Loss, and its gradients with respect to log-probs and entropies.
struct ObjectiveResult {
  double loss = 0.0;
  at::Tensor log_prob_grad, entropy_grad;  // [T]
};

inline ObjectiveResult evaluate_objective(const Objective& objective, const ObjectiveWorld& world, std::int64_t token_budget = 10000) {
  const Batch batch(world.groups);
  const Credit credit = world.credit(objective, batch);
  auto lp = world.log_probs.clone().requires_grad_(true), entropies = world.entropies.clone().requires_grad_(true);
  ObjectiveResult result{credit.constant, at::zeros_like(world.log_probs), at::zeros_like(world.log_probs)};
  for (const Part& part : batch.parts(token_budget, credit.active)) {
    const auto take = [&](const at::Tensor& all) { return all.defined() ? all.index_select(0, part.tokens) : at::Tensor(); };
    const LossInput in{{take(lp), take(entropies)},
                       part.completion,
                       part.num_completions,
                       take(world.old_log_probs),
                       objective.needs_reference() ? take(world.ref_log_probs) : at::Tensor(),
                       {},
                       take(credit.advantages),
                       take(credit.token_weights),
                       take(credit.policy_mask),
                       take(credit.entropy_weights),
                       take(credit.linear)};
    const Loss loss = objective.loss(in);
    result.loss += loss.total.item<double>();
    if (loss.total.requires_grad()) loss.total.backward();
  }
  if (lp.grad().defined()) result.log_prob_grad = lp.grad();
  if (entropies.grad().defined()) result.entropy_grad = entropies.grad();
  return result;
}

inline bool close_to(const at::Tensor& a, const at::Tensor& b, double tolerance = 1e-6) {
  return (a - b).abs().max().item<double>() <= tolerance;
}

/// `make` gives a fresh objective. `moves_without_signal`: it has terms that do not depend on rewards (a KL, an entropy bonus).
inline void objective_contract(const std::function<std::unique_ptr<Objective>()>& make, bool moves_without_signal = false) {
  const double nan = std::nan("");
  const auto objective = make();
  const ObjectiveWorld world({{1, 0, 0, 0.5}, {0.2, 0.2, 0.9, 0.1}, {0, 0, 0, 0}});
  const ObjectiveResult whole = evaluate_objective(*objective, world);
  SECTION("a signal moves the policy, and all numbers are finite") {
    CHECK(std::isfinite(whole.loss));
    CHECK(whole.log_prob_grad.isfinite().all().item<bool>());
    CHECK(whole.log_prob_grad.abs().max().item<double>() > 1e-6);
    const Batch batch(world.groups);
    for (const auto& [name, value] : world.credit(*objective, batch).metrics) {
      INFO(name);
      CHECK(std::isfinite(value));
    }
  }
  SECTION("a constant reward moves nothing, and scores nothing") {
    if (!moves_without_signal) {
      const ObjectiveWorld flat({{0.3, 0.3, 0.3, 0.3}, {1, 1, 1, 1}});
      const ObjectiveResult none = evaluate_objective(*objective, flat);
      CHECK(none.log_prob_grad.abs().max().item<double>() == 0.0);
      CHECK(none.entropy_grad.abs().max().item<double>() == 0.0);
      const Batch batch(flat.groups);
      const auto active = flat.credit(*objective, batch).active;
      CHECK(std::count(active.begin(), active.end(), true) == 0);
    }
  }
  SECTION("however a step is cut into parts, loss and gradient are the same") {
    for (const std::int64_t budget : {1, 5, 9, 14, 25}) {
      const ObjectiveResult split = evaluate_objective(*objective, world, budget);
      CHECK(split.loss == Approx(whole.loss).epsilon(1e-6).margin(1e-6));
      CHECK(close_to(split.log_prob_grad, whole.log_prob_grad));
      CHECK(close_to(split.entropy_grad, whole.entropy_grad));
    }
  }
  SECTION("permuting a group permutes its gradient") {
    ObjectiveWorld turned = world;
    const Batch batch(world.groups);
    // Completions 0..3 of the first group in the order 2, 0, 3, 1.
    const std::vector<std::size_t> order{2, 0, 3, 1};
    std::vector<std::int64_t> tokens(static_cast<std::size_t>(batch.num_tokens()));
    std::iota(tokens.begin(), tokens.end(), 0);
    std::vector<std::int64_t> moved;
    for (std::size_t i = 0; i < 4; ++i) {
      turned.groups[0].completions[i] = world.groups[0].completions[order[i]];
      turned.rewards.columns[0].rewards[i] = world.rewards.columns[0].rewards[order[i]];
      turned.rewards.modes[i] = world.rewards.modes[order[i]];
      const auto& first = batch.first_token();
      for (auto t = first[order[i]]; t < first[order[i] + 1]; ++t) moved.push_back(t);
    }
    std::copy(moved.begin(), moved.end(), tokens.begin());
    const auto index = at::tensor(tokens, at::kLong);
    for (at::Tensor* t : {&turned.old_log_probs, &turned.log_probs, &turned.ref_log_probs, &turned.entropies})
      *t = t->index_select(0, index);
    const ObjectiveResult other = evaluate_objective(*objective, turned);
    CHECK(other.loss == Approx(whole.loss).epsilon(1e-6).margin(1e-6));
    CHECK(close_to(other.log_prob_grad, whole.log_prob_grad.index_select(0, index)));
  }
  SECTION("failed rewards, groups of one and groups without any reward are survived") {
    const ObjectiveWorld odd({{1, nan, 0, nan}, {nan, nan, nan, nan}, {1}, {nan}, {0.5, nan}});
    const ObjectiveResult result = evaluate_objective(*objective, odd);
    CHECK(std::isfinite(result.loss));
    CHECK(result.log_prob_grad.isfinite().all().item<bool>());
    const Batch batch(odd.groups);
    const Credit credit = odd.credit(*objective, batch);
    CHECK(std::all_of(credit.coefficients.begin(), credit.coefficients.end(), [](double c) { return std::isfinite(c); }));
    if (moves_without_signal) return;
    for (std::size_t i = 4; i < credit.active.size(); ++i) CHECK_FALSE(credit.active[i]);  // nothing to compare with
  }
  SECTION("a completion whose reward failed is as if it had not been sampled") {
    const ObjectiveWorld failed({{1, nan, 0, 0.5}, {0.2, 0.7, nan, nan}, {0.4, 0, 0, 1}});
    const std::vector<std::size_t> lost{1, 6, 7};
    const Batch all(failed.groups);
    std::vector<bool> stays(12, true);
    for (const std::size_t i : lost) stays[i] = false;
    std::vector<std::int64_t> tokens;
    for (std::int64_t t = 0; t < all.num_tokens(); ++t)
      if (stays[static_cast<std::size_t>(all.completion_of()[t].item<std::int64_t>())]) tokens.push_back(t);
    ObjectiveWorld without = failed;
    for (std::size_t k = lost.size(); k-- > 0;) {
      const auto i = static_cast<std::ptrdiff_t>(lost[k]);
      auto& completions = without.groups[lost[k] / 4].completions;
      completions.erase(completions.begin() + i % 4);
      without.rewards.columns[0].rewards.erase(without.rewards.columns[0].rewards.begin() + i);
      without.rewards.modes.erase(without.rewards.modes.begin() + i);
    }
    const auto index = at::tensor(tokens, at::kLong);
    for (at::Tensor* t : {&without.old_log_probs, &without.log_probs, &without.ref_log_probs, &without.entropies})
      *t = t->index_select(0, index);
    const ObjectiveResult one = evaluate_objective(*objective, failed), other = evaluate_objective(*make(), without);
    CHECK(one.loss == Approx(other.loss).epsilon(1e-5).margin(1e-6));
    CHECK(close_to(one.log_prob_grad.index_select(0, index), other.log_prob_grad));
    CHECK(close_to(one.entropy_grad.index_select(0, index), other.entropy_grad));
    CHECK(one.log_prob_grad.abs().sum().item<double>() ==
          Approx(other.log_prob_grad.abs().sum().item<double>()).epsilon(1e-5).margin(1e-9));
  }
  SECTION("a part of a generation batch is trained on alone") {
    const Batch batch(world.groups);
    CreditInput input{world.rewards, batch, world.ref_log_probs, world.old_log_probs, world.log_probs, world.entropies};
    input.in_step.assign(12, false);
    std::fill_n(input.in_step.begin(), 4, true);
    const Credit credit = objective->credit(input);
    for (std::size_t i = 4; i < 12; ++i) CHECK_FALSE(credit.active[i]);
    CHECK(std::count(credit.active.begin(), credit.active.end(), true) > 0);
  }
  SECTION("extreme log-probs stay finite") {
    ObjectiveWorld extreme = world;
    const auto n = extreme.log_probs.numel();
    const auto even = at::arange(n).remainder(2).eq(0);
    extreme.log_probs = at::where(even, at::full({n}, -900.0F), at::full({n}, -1e-4F));
    extreme.old_log_probs = extreme.log_probs.flip(0).contiguous();
    extreme.ref_log_probs = extreme.old_log_probs.clone();
    const ObjectiveResult result = evaluate_objective(*objective, extreme);
    CHECK(std::isfinite(result.loss));
    CHECK(result.log_prob_grad.isfinite().all().item<bool>());
  }
  SECTION("the state survives a round trip") {
    const auto other = make();
    for (const double kl : {0.3, 0.01, nan}) objective->observe({{"kl", kl}, {"entropy", 0.4}, {"weight_entropy", 0.6}});
    other->restore(objective->state());
    CHECK(other->state() == objective->state());
    const ObjectiveResult a = evaluate_objective(*objective, world), b = evaluate_objective(*other, world);
    CHECK(a.loss == b.loss);
    CHECK(at::equal(a.log_prob_grad, b.log_prob_grad));
  }
}

}  // namespace grpo::contract
