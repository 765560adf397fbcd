#include "libgrpo/trainer/gradient_sum.hpp"

#include "libgrpo/objective/grpo.hpp"
#include "libgrpo/trainer/adamw.hpp"
#include "libgrpo/trainer/dealt.hpp"
#include "tests/dist/ranks.hpp"
#include "tests/support/tensors.hpp"
#include "tests/trainer/world.hpp"

#include <catch2/catch.hpp>

#include <mutex>

using namespace grpo;
using grpo::testing::on_ranks;

namespace {

struct Outcome {
  std::vector<at::Tensor> gradients;
  std::map<std::string, double> metrics;
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

/// The gradient of one step of a tiny model on `world`.
Outcome step_on(World& world, std::int64_t bucket_bytes, bool overlap) {
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
    GradientSum sum(world, policy->parameters(), bucket_bytes);
    for (int step = 0; step < 2; ++step) {  // the second knows which parameters report nothing
      AdamW(policy->parameters(), {}).zero_grad();
      if (overlap) share.before_last = [&] { sum.before_last_pass(); };
      const Meters own = accumulate_gradient(*policy, objective, batch, credit, {}, {1.0, 24}, {}, share);
      sum.finish();
      meters = merge_meters(world, own);
    }
    for (const auto& p : policy->parameters()) outcome.gradients.push_back(p.tensor.grad().clone());
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
  const Outcome alone = step_on(*make_solo_world(), 0, false);
  REQUIRE(alone.gradients[0].abs().max().item<double>() > 1e-3);
  for (const int size : {2, 4, 7}) {  // 7: two ranks have nothing to do
    std::vector<Outcome> ranks(static_cast<std::size_t>(size));
    on_ranks(size, [&](World& world) { ranks[static_cast<std::size_t>(world.rank())] = step_on(world, 4096, true); });
    for (const Outcome& rank : ranks) {
      CHECK(largest_difference(alone, rank) < 1e-5);
      CHECK(largest_difference(ranks[0], rank) == 0.0);
      for (const auto& [name, value] : alone.metrics) CHECK(rank.metrics.at(name) == Approx(value).epsilon(1e-5).margin(1e-7));
    }
  }
}

TEST_CASE("buckets summed during the backward pass give what one sum at the end gives", "[dist]") {
  std::array<Outcome, 2> overlapped, plain;
  on_ranks(2, [&](World& world) {
    const auto rank = static_cast<std::size_t>(world.rank());
    overlapped[rank] = step_on(world, 2048, true);
    plain[rank] = step_on(world, std::int64_t{1} << 30, false);
  });
  CHECK(largest_difference(overlapped[0], plain[0]) == 0.0);
}
