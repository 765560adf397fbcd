// Generation batches: several updates on one, resumed amid one, dynamic sampling, samplers with other numbers, and a reference that
// follows.
#include "libgrpo/trainer/rollouts.hpp"

#include "libgrpo/objective/hybrid.hpp"
#include "libgrpo/rollout/saved_groups.hpp"
#include "libgrpo/tensor/lists.hpp"
#include "tests/support/tensors.hpp"
#include "tests/trainer/world.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <set>

using namespace grpo;
using grpo::testing::same;
using grpo::testing::TrainingFixture;

namespace {

/// A generation batch written as a checkpoint does, and read back.
std::optional<Rollout> through_a_file(const Rollout* pending) {
  if (pending == nullptr) return std::nullopt;
  const std::string text = to_json_lines(
      {pending->scored.groups, pending->scored.rewards, {}, to_list(pending->ref_log_probs), to_list(pending->old_log_probs)}, 1);
  RewardTable columns;
  columns.columns = {{"low_ids", 1.0, {}, 0.0}};
  SavedGroupsReader reader(columns, 300, 128);
  std::size_t begin = 0;
  for (std::size_t end = text.find('\n'); end != std::string::npos; begin = end + 1, end = text.find('\n', begin))
    reader.read(std::string_view(text).substr(begin, end - begin));
  Rollout rollout({reader.saved().groups, reader.saved().rewards, {}});
  rollout.ref_log_probs = to_tensor(reader.saved().ref_log_probs);
  rollout.old_log_probs = to_tensor(reader.saved().old_log_probs);
  return rollout;
}

/// The sampler's own numbers, each off by a little: a server with other arithmetic.
class Inexact final : public Sampler {
 public:
  explicit Inexact(Sampler& inner) : inner_(inner) {}
  [[nodiscard]] std::vector<Group> generate(const std::vector<Prompt>& prompts, const SamplingParams& params) override {
    auto groups = inner_.generate(prompts, params);
    float shift = 0.3F;
    for (Group& group : groups)
      for (Completion& c : group.completions)
        for (float& lp : c.log_probs) lp += shift = -shift;
    return groups;
  }
  void refresh(const Policy& policy, std::int64_t version) override { inner_.refresh(policy, version); }

 private:
  Sampler& inner_;
};

}  // namespace

TEST_CASE("several iterations train on one batch with the log-probs of the policy that sampled it") {
  TrainingFixture world;
  world.options.num_iterations = 3;
  Trainer trainer = world.trainer();
  std::vector<std::vector<std::int32_t>> first_ids;
  std::vector<double> clipped;
  for (int step = 0; step < 6; ++step) {
    const auto report = trainer.step();
    first_ids.push_back(report.groups[0].completions[0].ids);
    clipped.push_back(report.metrics.at("clip_ratio/region_mean"));
    CHECK(report.groups.size() == 3);
  }
  CHECK(first_ids[0] == first_ids[1]);
  CHECK(first_ids[0] == first_ids[2]);
  CHECK(first_ids[3] != first_ids[2]);
  CHECK(clipped[0] == 0.0);  // ratio 1
  CHECK(clipped[2] > 0.05);  // the policy has moved
  CHECK(clipped[3] == 0.0);  // sampled anew
  CHECK(trainer.state().prompts_drawn == 6);
}

TEST_CASE("a generation batch can be cut into several steps of whole groups") {
  TrainingFixture world;
  world.options.slices = 3;
  Trainer trainer = world.trainer();
  std::set<std::uint64_t> prompts;
  for (int step = 0; step < 3; ++step) {
    const auto report = trainer.step();
    REQUIRE(report.groups.size() == 1);
    prompts.insert(report.groups[0].prompt.id);
    CHECK(report.coefficients.size() == 4);
    CHECK(report.rewards.columns[0].rewards.size() == 4);
  }
  CHECK(prompts.size() == 3);
  CHECK(trainer.pending() == nullptr);
  CHECK(trainer.state().prompts_drawn == 3);
  // With iterations: all slices, then all slices again.
  TrainingFixture twice;
  twice.options.slices = 3;
  twice.options.num_iterations = 2;
  Trainer again = twice.trainer();
  std::vector<std::uint64_t> order;
  for (int step = 0; step < 6; ++step) order.push_back(again.step().groups[0].prompt.id);
  CHECK(std::set<std::uint64_t>(order.begin(), order.begin() + 3).size() == 3);
  CHECK(std::equal(order.begin(), order.begin() + 3, order.begin() + 3));
}

TEST_CASE("a run cut between two updates of one batch equals the uninterrupted one, bit for bit") {
  const auto build = [](bool listwise) {
    ObjectiveOptions o;
    o.beta = 0.05;
    o.kl_target = 0.01;
    o.kl_horizon = 5.0;
    o.kl_ctl_step_size = 0.5;
    o.top_entropy_quantile = 0.8;
    auto world = std::make_unique<TrainingFixture>(o);
    if (listwise) {
      MaxentOptions m;
      m.maxent_target_weight_entropy = 1.0;
      m.maxent_tau_lr = 0.3;
      world->objective = std::make_unique<Hybrid>(o, m, ObjectiveContext());
    }
    world->options.num_iterations = 2;
    world->options.slices = 3;
    world->sync = std::make_unique<ReferenceSync>(world->model->parameters(), world->reference->parameters(), ReferenceSchedule{0.3, 2, 0});
    return world;
  };
  for (const bool listwise : {false, true})
    for (const bool inexact : {false, true})
      for (const int cut : {1, 3, 5, 6}) {
        auto straight = build(listwise), first = build(listwise), second = build(listwise);
        Inexact a(straight->sampler), b(first->sampler), c(second->sampler);
        if (inexact) straight->used_sampler = &a, first->used_sampler = &b, second->used_sampler = &c;
        Trainer whole = straight->trainer(), before = first->trainer();
        std::vector<double> expected, got;
        for (int i = 0; i < 9; ++i) {
          const auto report = whole.step();
          if (i >= cut) expected.push_back(report.metrics.at("loss"));
          if (i >= cut) expected.push_back(report.metrics.at("entropy"));
        }
        for (int i = 0; i < cut; ++i) before.step();
        second->continue_from(*first);
        Trainer after = second->trainer(before.state(), through_a_file(before.pending()));
        for (int i = cut; i < 9; ++i) {
          const auto report = after.step();
          got.push_back(report.metrics.at("loss"));
          got.push_back(report.metrics.at("entropy"));
        }
        INFO("listwise " << listwise << ", inexact " << inexact << ", cut at " << cut);
        CHECK(got == expected);
        CHECK(same(straight->weights(), second->weights()));
        CHECK(straight->objective->state() == second->objective->state());
      }
}

TEST_CASE("a sampler with other numbers is corrected, on one update and on several, and the correction can be switched off") {
  const auto run = [](bool inexact, bool corrects, std::int64_t iterations, SamplerCorrection mode) {
    ObjectiveOptions o;
    o.vllm_importance_sampling_mode = mode;
    TrainingFixture world(o);
    world.options.num_iterations = iterations;
    world.options.correct_sampler = corrects;
    Inexact other(world.sampler);
    if (inexact) world.used_sampler = &other;
    Trainer trainer = world.trainer();
    std::vector<std::map<std::string, double>> metrics;
    for (std::int64_t i = 0; i < iterations; ++i) metrics.push_back(trainer.step().metrics);
    return metrics;
  };
  const auto exact = run(false, true, 2, SamplerCorrection::token_truncate),
             ignored = run(true, false, 2, SamplerCorrection::token_truncate),
             corrected = run(true, true, 2, SamplerCorrection::token_truncate);
  // Uncorrected, the policy's own log-probs are the old ones, so the sampler's error does not matter at all.
  CHECK(ignored[1].at("loss") == Approx(exact[1].at("loss")).epsilon(1e-4).margin(1e-6));
  CHECK(exact[0].count("sampling/importance_sampling_ratio/mean") == 0);
  // A token's ratio is e^0.3 or e^-0.3.
  CHECK(corrected[0].at("sampling/importance_sampling_ratio/mean") == Approx(std::cosh(0.3)).epsilon(0.1));
  CHECK(corrected[0].at("sampling/sampling_logp_difference/mean") == Approx(0.3).epsilon(1e-3));
  CHECK(corrected[0].at("sampling/sampling_logp_difference/max") == Approx(0.3).epsilon(1e-3));
  CHECK(corrected[0].at("sampling/importance_sampling_ratio/min") == Approx(std::exp(-0.3)).epsilon(1e-3));
  CHECK(corrected[0].at("sampling/importance_sampling_ratio/max") == Approx(std::exp(0.3)).epsilon(1e-3));
  CHECK(corrected[0].at("grad_norm") != Approx(exact[0].at("grad_norm")).epsilon(1e-3));
  CHECK(run(true, true, 1, SamplerCorrection::token_truncate)[0].at("grad_norm") == Approx(corrected[0].at("grad_norm")).epsilon(1e-4));
}

TEST_CASE("dynamic sampling draws until every group has a signal, within its bound, and never skips a prompt") {
  TrainingFixture world;
  // Every other question has a signal.
  world.set_reward([](const Prompt& p, const Completion& c) {
    return Reward::of((p.source.back() - '0') % 2 == 0 ? static_cast<double>(c.ids[0]) : 0.0);
  });
  world.options.dynamic_sampling = true;
  world.options.dynamic_sampling_max_rounds = 8;
  Trainer trainer = world.trainer();
  double rounds = 0.0;
  for (int i = 0; i < 4; ++i) {
    const auto report = trainer.step();
    CHECK(report.groups.size() == 3);
    CHECK(report.metrics.at("frac_reward_zero_std") == 0.0);
    rounds += report.metrics.at("dynamic_sampling/rounds");
  }
  CHECK(rounds > 0.0);
  CHECK(trainer.state().prompts_drawn > 12);
  // Nothing has a signal: the bound holds, the batch is full, the cursor tells what was drawn.
  TrainingFixture flat;
  flat.set_reward([](const Prompt&, const Completion&) { return Reward::of(1.0); });
  flat.options.dynamic_sampling = true;
  flat.options.dynamic_sampling_max_rounds = 2;
  Trainer none = flat.trainer();
  const auto report = none.step();
  CHECK(report.groups.size() == 3);
  CHECK(report.metrics.at("dynamic_sampling/rounds") == 2.0);
  CHECK(report.metrics.at("dynamic_sampling/discarded_groups") == 6.0);
  CHECK(none.state().prompts_drawn == 9);
}

TEST_CASE("a prompt that comes back within one batch meets other random numbers") {
  TrainingFixture world;
  world.set_reward([](const Prompt&, const Completion&) { return Reward::of(1.0); });
  world.options.dynamic_sampling = true;
  world.options.dynamic_sampling_max_rounds = 1;
  world.options.sampling.max_completion_length = 12;
  Trainer trainer = world.trainer();
  trainer.step();  // prompts 0 to 5: one epoch
  const auto first = trainer.step(), third = trainer.step();
  std::map<std::uint64_t, std::vector<std::int32_t>> seen;
  for (const auto* report : {&first, &third})
    for (const Group& group : report->groups) {
      const auto& ids = group.completions[0].ids;
      if (seen.count(group.prompt.id) > 0) CHECK(seen[group.prompt.id] != ids);
      seen[group.prompt.id] = ids;
    }
}

TEST_CASE("the reference follows the policy on its schedule") {
  TrainingFixture world;
  const auto mean_gap = [&] {
    double gap = 0.0;
    const auto p = world.model->parameters(), r = world.reference->parameters();
    for (std::size_t i = 0; i < p.size(); ++i) gap = std::max(gap, grpo::testing::max_abs_difference(p[i].tensor, r[i].tensor));
    return gap;
  };
  world.sync = std::make_unique<ReferenceSync>(world.model->parameters(), world.reference->parameters(), ReferenceSchedule{1.0, 3, 4});
  Trainer trainer = world.trainer();
  for (int step = 1; step <= 6; ++step) {
    trainer.step();
    INFO("step " << step);
    CHECK((mean_gap() == 0.0) == (step == 6));  // step 3 is before the first allowed one
  }
  // Half way: reference = (policy + reference) / 2.
  TrainingFixture half;
  const auto before = half.reference->parameters()[0].tensor.detach().clone();
  half.sync = std::make_unique<ReferenceSync>(half.model->parameters(), half.reference->parameters(), ReferenceSchedule{0.5, 1, 0});
  Trainer once = half.trainer();
  once.step();
  const auto expected = (before + half.model->parameters()[0].tensor.detach()) / 2;
  CHECK(grpo::testing::max_abs_difference(half.reference->parameters()[0].tensor, expected) < 1e-6);
}
