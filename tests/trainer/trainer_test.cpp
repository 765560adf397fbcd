#include "libgrpo/trainer/trainer.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/objective/hybrid.hpp"
#include "libgrpo/objective/listwise.hpp"
#include "tests/support/tensors.hpp"
#include "tests/trainer/world.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

using namespace grpo;
using grpo::testing::same;
using grpo::testing::TrainingFixture;

namespace {

double last_loss(TrainingFixture& world, int steps) {
  Trainer trainer = world.trainer();
  double loss = 0.0;
  for (int i = 0; i < steps; ++i) loss = trainer.step().metrics.at("loss");
  return loss;
}

}  // namespace

TEST_CASE("a tiny model learns to write the rewarded ids") {
  TrainingFixture world;
  world.options.total_steps = 60;
  Trainer trainer = world.trainer();
  double first = 0.0, last = 0.0;
  for (int i = 0; i < 60; ++i) {
    const double reward = trainer.step().metrics.at("reward");
    if (i < 5) first += reward / 5;
    if (i >= 55) last += reward / 5;
  }
  CHECK(first < 0.5);
  CHECK(last > 0.85);
}

TEST_CASE("a constant reward moves nothing and scores nothing") {
  TrainingFixture world;
  world.set_reward([](const Prompt&, const Completion&) { return Reward::of(0.3); });
  const auto before = world.weights();
  Trainer trainer = world.trainer();
  const auto report = trainer.step();
  CHECK(report.metrics.at("grad_norm") == 0.0);
  CHECK(report.metrics.at("frac_reward_zero_std") == 1.0);
  CHECK(same(before, world.weights()));
}

TEST_CASE("the token budget does not change the step") {
  const auto gradient_norms = [](std::int64_t budget) {
    ObjectiveOptions o;
    o.beta = 0.1;
    TrainingFixture world(o);
    world.options.token_budget = budget;
    Trainer trainer = world.trainer();
    std::vector<double> norms;
    for (int i = 0; i < 3; ++i) {
      const auto report = trainer.step();
      norms.push_back(report.metrics.at("grad_norm"));
      norms.push_back(report.metrics.at("kl"));
      norms.push_back(report.metrics.at("loss"));
    }
    return norms;
  };
  const auto whole = gradient_norms(10000), split = gradient_norms(25);
  for (std::size_t i = 0; i < whole.size(); ++i) CHECK(split[i] == Approx(whole[i]).epsilon(1e-3).margin(1e-6));
}

TEST_CASE("a run repeats bit for bit, and a run cut in two equals it") {
  const auto run = [](int first, int second) {
    TrainingFixture world;
    world.options.total_steps = first;
    Trainer trainer = world.trainer();
    for (int i = 0; i < first; ++i) trainer.step();
    if (second == 0) return world.weights();
    TrainingFixture again;  // everything but weights, optimizer and counters is built anew
    again.continue_from(world);
    Trainer resumed = again.trainer(trainer.state());
    for (int i = 0; i < second; ++i) resumed.step();
    return again.weights();
  };
  const auto straight = run(6, 0);
  CHECK(same(straight, run(6, 0)));
  CHECK(same(straight, run(3, 3)));
}

TEST_CASE("a step that is not finite is skipped and counted, and too many in a row are fatal") {
  TrainingFixture world;
  world.options.max_bad_steps = 3;
  Trainer trainer = world.trainer();
  trainer.step();
  const auto before = world.weights();
  // A learning signal that is infinite: the loss and all gradients are not finite, the weights must stay.
  class Broken final : public Objective {
   public:
    explicit Broken(const Objective& inner) : inner_(inner) {}
    [[nodiscard]] bool needs_reference() const override { return false; }
    [[nodiscard]] Credit credit(const CreditInput& input) const override {
      Credit c = inner_.credit(input);
      c.active.assign(c.active.size(), true);
      c.advantages = at::full_like(c.advantages, std::numeric_limits<double>::infinity());
      return c;
    }
    [[nodiscard]] Loss loss(const LossInput& in) const override { return inner_.loss(in); }

   private:
    const Objective& inner_;
  } broken(*world.objective);
  Trainer bad({world.prompts, world.order, world.sampler, world.reward, broken, *world.model, nullptr, *world.optimizer}, world.options);
  CHECK(bad.step().skipped);
  CHECK(bad.step().metrics.at("skipped_steps") == 1.0);
  CHECK(same(before, world.weights()));
  CHECK_THROWS_WITH(bad.step(), Catch::Contains("3 steps in a row"));
}

TEST_CASE("KL to the reference is zero at the start and grows with training") {
  ObjectiveOptions o;
  o.beta = 0.001;
  TrainingFixture world(o);
  Trainer trainer = world.trainer();
  CHECK(trainer.step().metrics.at("kl") == Approx(0.0).margin(1e-6));
  double kl = 0.0;
  for (int i = 0; i < 10; ++i) kl = trainer.step().metrics.at("kl");
  CHECK(kl > 1e-3);
}

namespace {

/// Draws as another one does, and makes no promise about its log-probs: the policy's own have to be computed.
class Unsure final : public Sampler {
 public:
  explicit Unsure(Sampler& inner) : inner_(inner) {}
  std::vector<Group> generate(const std::vector<Prompt>& prompts, const SamplingParams& params) override {
    return inner_.generate(prompts, params);
  }
  void refresh(const Policy& policy, std::int64_t version) override { inner_.refresh(policy, version); }

 private:
  Sampler& inner_;
};

}  // namespace

TEST_CASE("sampler and trainer agree on log-probs during training, so that they need not be computed twice") {
  ObjectiveOptions o;
  o.beta = 0.04;
  o.entropy_coef = 0.01;
  TrainingFixture sure(o), unsure(o);
  Unsure sampler(unsure.sampler);
  unsure.used_sampler = &sampler;
  Trainer known = sure.trainer(), computed = unsure.trainer();
  for (int i = 0; i < 3; ++i) {
    const auto a = known.step().metrics, b = computed.step().metrics;
    CHECK(b.at("sampling/sampling_logp_difference/mean") < 1e-4);
    CHECK(b.at("sampling/sampling_logp_difference/mean") > 0.0);
    CHECK(a.count("sampling/sampling_logp_difference/mean") == 0);
    for (const char* name : {"loss", "kl", "entropy", "grad_norm"}) CHECK(a.at(name) == Approx(b.at(name)).epsilon(1e-3).margin(1e-5));
  }
  const auto a = sure.model->parameters(), b = unsure.model->parameters();
  for (std::size_t i = 0; i < a.size(); ++i) CHECK(grpo::testing::max_abs_difference(a[i].tensor, b[i].tensor) < 2e-3);
}

TEST_CASE("hooks run in order after each step, and a stop flag ends the run early") {
  TrainingFixture world;
  struct Recorder final : Hook {
    std::vector<std::int64_t> steps;
    bool stopped = false;
    std::atomic<bool>* stop = nullptr;
    void after_step(StepReport& report) override {
      steps.push_back(report.step);
      if (report.step == 2 && stop != nullptr) *stop = true;
    }
    void after_run(std::int64_t, bool s) override { stopped = s; }
  } recorder;
  std::atomic<bool> stop{false};
  Trainer trainer = world.trainer();
  recorder.stop = &stop;
  CHECK_FALSE(trainer.run({&recorder}, stop));
  CHECK(recorder.steps == std::vector<std::int64_t>{1, 2});
  CHECK(recorder.stopped);
  stop = false;
  recorder.stop = nullptr;
  CHECK(trainer.run({&recorder}, stop));
  CHECK(recorder.steps == std::vector<std::int64_t>{1, 2, 3, 4});
}

TEST_CASE("listwise MaxEnt-GRPO learns the rewarded ids as well, and reports its weights") {
  TrainingFixture world;
  ObjectiveContext context;
  context.num_generations = 4;
  MaxentOptions m;
  m.maxent_tau = 0.1;
  m.maxent_length_normalize_policy = true;
  world.objective = std::make_unique<Listwise>(ObjectiveOptions(), m, context);
  Trainer trainer = world.trainer();
  double first = 0.0, last = 0.0;
  for (int i = 0; i < 60; ++i) {
    const auto report = trainer.step();
    if (i < 5) first += report.metrics.at("reward") / 5;
    if (i >= 55) last += report.metrics.at("reward") / 5;
    if (i == 0) CHECK(report.metrics.at("weight_entropy") < std::log(4.0));
    if (i == 0) CHECK(report.metrics.at("tau") == 0.1);
  }
  CHECK(first < 0.5);
  CHECK(last > 0.8);
}

TEST_CASE("the token budget does not change a MaxEnt step either") {
  const auto loss = [](std::int64_t budget) {
    TrainingFixture world;
    world.objective = std::make_unique<Hybrid>(ObjectiveOptions(), MaxentOptions(), ObjectiveContext());
    world.options.token_budget = budget;
    return last_loss(world, 3);
  };
  CHECK(loss(25) == Approx(loss(10000)).epsilon(1e-3));
}

TEST_CASE("a resumed run keeps its momentum through a step without any signal") {
  // The second batch of every three has no signal: nothing is scored, and the optimizer still moves.
  const auto build = [] {
    auto world = std::make_unique<TrainingFixture>();
    world->set_reward([](const Prompt& p, const Completion& c) {
      return Reward::of((p.source.back() - '0') < 3 ? static_cast<double>(c.ids[0] % 3) : 0.0);
    });
    world->order = PromptOrder(6, 3, 1, false);  // questions 0 to 2, then 3 to 5
    return world;
  };
  auto straight = build(), first = build(), second = build();
  Trainer whole = straight->trainer(), before = first->trainer();
  for (int i = 0; i < 3; ++i) whole.step();
  before.step();
  second->continue_from(*first);
  Trainer after = second->trainer(before.state());
  const auto at_resume = second->weights();
  CHECK(after.step().metrics.at("grad_norm") == 0.0);
  CHECK_FALSE(same(at_resume, second->weights()));
  after.step();
  CHECK(same(straight->weights(), second->weights()));
}
