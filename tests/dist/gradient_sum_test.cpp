#include "libgrpo/trainer/gradient_sum.hpp"

#include "libgrpo/objective/grpo.hpp"
#include "libgrpo/trainer/adamw.hpp"
#include "libgrpo/trainer/dealt.hpp"
#include "tests/dist/ranks.hpp"
#include "tests/support/tensors.hpp"
#include "tests/trainer/world.hpp"

#include <catch2/catch.hpp>

#include <cmath>
#include <mutex>
#include <optional>

using namespace grpo;
using grpo::testing::on_ranks;

namespace {

struct Outcome {
  std::vector<at::Tensor> gradients;
  std::map<std::string, double> metrics;
  std::int64_t early = 0;
  double norm = 0.0;
};

std::vector<Group> some_groups() {
  std::vector<Group> groups;
  for (int g = 0; g < 5; ++g) {
    Group group{grpo::testing::make_prompt(static_cast<std::uint64_t>(g), "question " + std::to_string(g)), {}};
    for (int c = 0; c < 3; ++c) {
      Completion completion;
      for (int t = 0; t < 2 + 3 * g + c; ++t) completion.ids.push_back((7 * g + 5 * c + 3 * t) % 250);
      completion.log_probs.assign(completion.ids.size(), -2.0F);
      group.completions.push_back(completion);
    }
    groups.push_back(std::move(group));
  }
  return groups;
}

/// Whole gradients out of every rank's pieces.
std::vector<at::Tensor> put_together(World& world, const std::vector<Parameter>& all, const std::vector<Parameter>& own) {
  std::vector<at::Tensor> whole;
  for (const Parameter& p : all) {
    whole.push_back(at::zeros({p.tensor.numel()}, at::kFloat));
    for (const Parameter& piece : own) {
      if (piece.name != p.name && piece.name.rfind(p.name + "[", 0) != 0) continue;
      const std::int64_t first = piece.name == p.name ? 0 : std::stoll(piece.name.substr(p.name.size() + 1));
      whole.back().narrow(0, first, piece.tensor.numel()).copy_(piece.tensor.grad());
    }
    world.sum(whole.back());
    whole.back() = whole.back().view(p.tensor.sizes());
  }
  return whole;
}

/// The gradient of one step of a tiny model on `world`.
Outcome step_on(World& world, std::int64_t bucket_bytes, std::int64_t zero_stage = 0) {
  static std::mutex making;  // at::manual_seed is everybody's
  std::unique_ptr<CausalLm> policy;
  {
    const std::lock_guard lock(making);
    policy = grpo::testing::tiny_model(7, 0.15);
  }
  policy->require_grad();
  const Batch batch(some_groups());
  RewardTable rewards{{{"r", 1.0, {}, 0.0}}, {}};
  for (int i = 0; i < 15; ++i) rewards.columns[0].rewards.push_back(Reward::of(i % 4));
  const Grpo objective{ObjectiveOptions{}};
  const Credit credit = objective.credit({rewards, batch});
  PassShare share{own_completions(world, batch, credit.active), world.leads(), {}};
  Outcome outcome;
  Meters meters;
  if (world.size() == 1) {
    meters = accumulate_gradient(*policy, objective, batch, credit, {}, {1.0, 24}, {}, share);
    for (const auto& p : policy->parameters()) outcome.gradients.push_back(p.tensor.grad().clone());
  } else {
    std::optional<GradientSum> gradients;
    if (zero_stage == 3) {
      const auto weights = std::make_shared<ShardedWeights>(world, *policy);
      policy = weights->model(weights);
      gradients.emplace(world, *weights);
    } else {
      gradients.emplace(world, policy->parameters(), bucket_bytes, zero_stage);
    }
    GradientSum& sum = *gradients;
    share.listener = &sum;
    for (int step = 0; step < 2; ++step) {  // the second knows which parameters report nothing
      AdamW(sum.own(), {}).zero_grad();
      const Meters own = accumulate_gradient(*policy, objective, batch, credit, {}, {1.0, 24}, {}, share);
      sum.finish();
      meters = merge_meters(world, own);
    }
    outcome.early = sum.overlap().early;
    outcome.norm = sum.norm(AdamW(sum.own(), {}).grad_norm());
    if (zero_stage > 0) {
      outcome.gradients = put_together(world, policy->parameters(), sum.own());
    } else {
      for (const auto& p : policy->parameters()) outcome.gradients.push_back(p.tensor.grad().clone());
    }
  }
  outcome.metrics = meters.means();
  return outcome;
}

double largest_difference(const Outcome& a, const Outcome& b) {
  double worst = 0.0;
  for (std::size_t i = 0; i < a.gradients.size(); ++i)
    worst = std::max(worst, (a.gradients[i] - b.gradients[i]).abs().max().item<double>());
  return worst;
}

}  // namespace

TEST_CASE("gradients and metrics of several ranks are those of one", "[dist]") {
  const Outcome alone = step_on(*make_solo_world(), 0);
  REQUIRE(alone.gradients[0].abs().max().item<double>() > 1e-3);
  double norm = 0.0;
  for (const at::Tensor& g : alone.gradients) norm += g.square().sum(at::kDouble).item<double>();
  for (const std::int64_t stage : {0, 1, 2, 3})
    for (const int size : {2, 4, 7}) {  // 7: two ranks have nothing to do
      std::vector<Outcome> ranks(static_cast<std::size_t>(size));
      on_ranks(size, [&](World& world) { ranks[static_cast<std::size_t>(world.rank())] = step_on(world, 4096, stage); });
      INFO("zero_stage " << stage << ", " << size << " ranks");
      for (const Outcome& rank : ranks) {
        CHECK(largest_difference(alone, rank) < 1e-5);
        CHECK(largest_difference(ranks[0], rank) == 0.0);
        CHECK(rank.norm == Approx(std::sqrt(norm)).epsilon(1e-5));
        CHECK(rank.norm == ranks[0].norm);
        for (const auto& [name, value] : alone.metrics) CHECK(rank.metrics.at(name) == Approx(value).epsilon(1e-5).margin(1e-7));
      }
      CHECK(ranks[0].early > 0);
    }
}

TEST_CASE("buckets summed during the backward pass give what one sum at the end gives", "[dist]") {
  std::array<Outcome, 2> overlapped, plain;
  on_ranks(2, [&](World& world) {
    const auto rank = static_cast<std::size_t>(world.rank());
    overlapped[rank] = step_on(world, 2048);
    plain[rank] = step_on(world, std::int64_t{1} << 30);
  });
  CHECK(overlapped[0].early > 1);
  CHECK(plain[0].early <= 1);
  CHECK(largest_difference(overlapped[0], plain[0]) == 0.0);
}
