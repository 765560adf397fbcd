#include "libgrpo/objective/grpo.hpp"

#include "tests/support/groups.hpp"
#include "tests/support/tensors.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <functional>

using namespace grpo;
using grpo::testing::rewards;
using grpo::testing::two_groups;

namespace {

at::Tensor weights_of(LossType type, const Batch& batch, const std::vector<bool>& in_step = {},
                      const std::function<void(ObjectiveOptions&)>& change = {}) {
  ObjectiveOptions o;
  o.loss_type = type;
  if (change) change(o);
  ObjectiveContext context;
  context.max_completion_length = 10;
  const auto table = rewards({1, 0, 0, 1, 1, 1});
  return Grpo(o, context).credit({table, batch, {}, {}, {}, {}, in_step}).token_weights;
}

double value_at(const at::Tensor& t, std::int64_t i) { return t[i].item<double>(); }

}  // namespace

// Completions of 1, 2, 3 and 1, 2, 3 tokens: 12 in all.
TEST_CASE("normalisers are those of the papers") {
  const auto groups = two_groups();
  const Batch batch(groups);
  for (const LossType type : {LossType::grpo, LossType::sapo}) {
    const auto w = weights_of(type, batch);
    CHECK(value_at(w, 0) == Approx(1.0 / 6));
    CHECK(value_at(w, 1) == Approx(1.0 / 12));
    CHECK(w.sum().item<double>() == Approx(1.0));
  }
  for (const LossType type : {LossType::bnpo, LossType::dapo, LossType::cispo, LossType::vespo}) {
    CHECK(value_at(weights_of(type, batch), 0) == Approx(1.0 / 12));
    CHECK(weights_of(type, batch).sum().item<double>() == Approx(1.0));
  }
  CHECK(value_at(weights_of(LossType::dr_grpo, batch), 5) == Approx(1.0 / 60));
  CHECK(value_at(weights_of(LossType::luspo, batch), 5) == Approx(1.0 / 6));
}

TEST_CASE("a step on a part of a generation batch: bnpo counts the step's tokens, dapo those of the batch") {
  auto groups = two_groups();
  for (Completion& c : groups[1].completions) {  // 2, 4 and 6 tokens
    c.ids.insert(c.ids.end(), c.ids.begin(), c.ids.end());
    c.log_probs.resize(c.ids.size(), -1.0F);
  }
  const Batch batch(groups);
  const std::vector<bool> first{true, true, true, false, false, false}, second{false, false, false, true, true, true};
  CHECK(value_at(weights_of(LossType::bnpo, batch, first), 0) == Approx(1.0 / 6));
  CHECK(value_at(weights_of(LossType::bnpo, batch, second), 6) == Approx(1.0 / 12));
  CHECK(value_at(weights_of(LossType::dapo, batch, first), 0) == Approx(2.0 / 18));
  CHECK(value_at(weights_of(LossType::dapo, batch, second), 6) == Approx(2.0 / 18));
  CHECK(value_at(weights_of(LossType::grpo, batch, second), 6) == Approx(1.0 / 6));
  CHECK(value_at(weights_of(LossType::dapo, batch, first), 6) == 0.0);
}

TEST_CASE("masked completions lose their tokens, excluded groups leave the mean as well") {
  auto groups = two_groups();
  groups[0].completions[2].finish = FinishReason::length;  // 3 tokens; the others end by themselves
  const Batch batch(groups);
  const auto mask = [](ObjectiveOptions& o) { o.mask_truncated_completions = true; };
  CHECK(value_at(weights_of(LossType::dapo, batch, {}, mask), 0) == Approx(1.0 / 9));
  CHECK(value_at(weights_of(LossType::dapo, batch, {}, mask), 3) == 0.0);
  CHECK(value_at(weights_of(LossType::grpo, batch, {}, mask), 0) == Approx(1.0 / 6));
  // The second group's rewards are all 1: without signal.
  const auto exclude = [](ObjectiveOptions& o) { o.exclude_zero_std_groups = true; };
  CHECK(value_at(weights_of(LossType::dapo, batch, {}, exclude), 0) == Approx(1.0 / 6));
  CHECK(value_at(weights_of(LossType::grpo, batch, {}, exclude), 0) == Approx(1.0 / 3));
  CHECK(value_at(weights_of(LossType::grpo, batch, {}, exclude), 6) == 0.0);
  // A masked completion's reward still counts in its group.
  ObjectiveOptions o;
  o.mask_truncated_completions = true;
  const auto table = rewards({0, 0, 3, 1, 1, 0});
  CHECK(Grpo(o).credit({table, batch}).coefficients[0] < 0.0);
}

TEST_CASE("a group without signal is not scored, unless a KL term or an entropy bonus wants it") {
  const auto groups = two_groups();
  const Batch batch(groups);
  const auto table = rewards({1, 1, 1, 1, 0, 0});
  ObjectiveOptions o;
  const auto credit = Grpo(o).credit({table, batch});
  CHECK(credit.active == std::vector<bool>{false, false, false, true, true, true});
  CHECK(credit.metrics.at("frac_reward_zero_std") == Approx(0.5));
  CHECK(credit.metrics.at("reward") == Approx(4.0 / 6));
  o.beta = 0.01;
  CHECK(Grpo(o).credit({table, batch}).active == std::vector<bool>(6, true));
  o.beta = 0.0;
  o.entropy_coef = 0.1;
  CHECK(Grpo(o).credit({table, batch}).active == std::vector<bool>(6, true));
}

TEST_CASE("a KL in the reward is subtracted before the group is compared, and is no term of the loss") {
  const auto groups = two_groups();
  const Batch batch(groups);
  const auto table = rewards({1, 1, 1, 1, 0, 0});
  ObjectiveOptions o;
  o.beta = 0.5;
  o.kl_in_reward = true;
  o.kl_estimator = KlEstimator::k1;
  o.scale_rewards = ScaleRewards::none;
  const Grpo objective(o);
  CHECK(objective.needs_reference());
  CHECK(objective.needs_old_log_probs());
  const auto old = batch.sampler_log_probs();  // -1 everywhere
  const auto ref = at::full({12}, -1.5, at::kFloat);
  const auto credit = objective.credit({table, batch, ref, old});
  // k1 is old - ref = 0.5 a token: completions of 1, 2, 3 tokens lose 0.25, 0.5, 0.75.
  CHECK(credit.coefficients[0] == Approx(0.25));
  CHECK(credit.coefficients[1] == Approx(0.0).margin(1e-12));
  CHECK(credit.coefficients[2] == Approx(-0.25));
  LossInput in;
  in.scores.log_probs = old.clone();
  in.completion = batch.completion_of();
  in.completions = 6;
  in.ref_log_probs = ref;
  in.old_log_probs = old;
  in.advantages = at::zeros({12}, at::kFloat);
  in.token_weights = credit.token_weights;
  CHECK(objective.loss(in).total.item<double>() == 0.0);
  CHECK(objective.loss(in).meters.means().at("kl") == Approx(0.5));
}

TEST_CASE("the entropy quantile is that of all tokens that count, interpolated, and keeps ties") {
  const auto groups = two_groups();
  const Batch batch(groups);
  const auto table = rewards({1, 0, 0, 1, 0, 0});
  ObjectiveOptions o;
  o.top_entropy_quantile = 0.25;
  CreditInput input{table, batch};
  input.log_probs = batch.sampler_log_probs();
  input.entropies = at::tensor({0.1F, 0.2F, 0.3F, 0.4F, 0.5F, 0.6F, 0.7F, 0.8F, 0.9F, 1.0F, 1.1F, 1.2F});
  const Grpo objective(o);
  CHECK(objective.needs_current_scores());
  // 0.75 quantile of 12 values: index 8.25, so 0.925; above it are three.
  CHECK(objective.credit(input).policy_mask.sum().item<std::int64_t>() == 3);
  input.entropies = at::ones({12}, at::kFloat);
  CHECK(objective.credit(input).policy_mask.sum().item<std::int64_t>() == 12);
  // Tokens that do not count do not set the threshold.
  input.entropies = at::tensor({9.0F, 9.0F, 9.0F, 9.0F, 9.0F, 9.0F, 0.7F, 0.8F, 0.9F, 1.0F, 1.1F, 1.2F});
  input.in_step = {false, false, false, true, true, true};
  const auto mask = objective.credit(input).policy_mask;
  CHECK(mask.sum().item<std::int64_t>() == 2);
  CHECK(mask[11].item<bool>());
}

TEST_CASE("the entropy bonus is the mean over the step's tokens") {
  const auto groups = two_groups();
  const Batch batch(groups);
  const auto table = rewards({1, 0, 0, 1, 0, 0});
  ObjectiveOptions o;
  o.entropy_coef = 0.6;
  CHECK(value_at(Grpo(o).credit({table, batch}).entropy_weights, 0) == Approx(0.05));
  const auto half = Grpo(o).credit({table, batch, {}, {}, {}, {}, {true, true, true, false, false, false}}).entropy_weights;
  CHECK(value_at(half, 0) == Approx(0.1));
  CHECK(value_at(half, 6) == 0.0);
}
