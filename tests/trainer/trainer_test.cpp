#include "libgrpo/trainer/trainer.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/objective/grpo.hpp"
#include "libgrpo/sampler/in_process_sampler.hpp"
#include "tests/support/tensors.hpp"
#include "tests/support/tiny_model.hpp"

#include <ATen/core/grad_mode.h>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

using namespace grpo;
using grpo::testing::ByteTokenizer;
using grpo::testing::tiny_model;

namespace {

class Questions final : public PromptSource {
 public:
  [[nodiscard]] std::size_t size() const override { return 6; }
  [[nodiscard]] Row row(std::size_t index) const override {
    Row r;
    r.question = "question " + std::to_string(index);
    r.solution = "a";
    r.origin = "questions:" + std::to_string(index);
    return r;
  }
};

/// A whole trainer around a tiny model that is rewarded for ids below 100: about a third of them at first.
struct World {
  std::unique_ptr<CausalLm> model = tiny_model(7, 0.15), reference = tiny_model(7, 0.15);
  ByteTokenizer tokenizer;
  Questions source;
  PromptSet prompts{source, tokenizer, nullptr, PromptStyle()};
  PromptOrder order{6, 3, 1, true};
  InProcessSampler sampler{*model, tokenizer};
  RewardSet reward;
  std::unique_ptr<Grpo> objective;
  std::unique_ptr<AdamW> optimizer;
  TrainerOptions options;

  explicit World(ObjectiveOptions o = {}) : objective(std::make_unique<Grpo>(o)) {
    model->require_grad();
    optimizer = std::make_unique<AdamW>(model->parameters(), AdamWOptions());
    set_reward([](const Prompt&, const Completion& c) {
      double share = 0.0;
      for (const auto id : c.ids) share += id < 100 ? 1.0 : 0.0;
      return Reward::of(share / static_cast<double>(c.ids.size()));
    });
    options.total_steps = 4;
    options.sampling.num_generations = 4;
    options.sampling.max_completion_length = 6;
    options.learning_rate = [](std::int64_t) { return 0.01; };
  }
  void set_reward(std::function<Reward(const Prompt&, const Completion&)> f) {
    reward = RewardSet();
    reward.add(make_reward("low_ids", std::move(f)));
  }
  Trainer trainer() {
    return Trainer({prompts, order, sampler, reward, *objective, *model, reference.get(), *optimizer}, options);
  }
  std::vector<at::Tensor> weights() const {
    std::vector<at::Tensor> copy;
    for (const auto& p : model->parameters()) copy.push_back(p.tensor.detach().clone());
    return copy;
  }
};

bool same(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
  for (std::size_t i = 0; i < a.size(); ++i)
    if (!at::equal(a[i], b[i])) return false;
  return true;
}

}  // namespace

TEST_CASE("a tiny model learns to write the rewarded ids") {
  World world;
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
  World world;
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
    World world(o);
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
    World world;
    world.options.total_steps = first;
    Trainer trainer = world.trainer();
    for (int i = 0; i < first; ++i) trainer.step();
    if (second == 0) return world.weights();
    // Everything but weights, optimizer and counters is built anew, as after a restart.
    World again;
    const auto from = world.model->parameters(), to = again.model->parameters();
    for (std::size_t i = 0; i < from.size(); ++i) {
      const at::NoGradGuard no_grad;
      to[i].tensor.copy_(from[i].tensor);
    }
    again.optimizer->restore(world.optimizer->state(), world.optimizer->steps());
    Trainer resumed({again.prompts, again.order, again.sampler, again.reward, *again.objective, *again.model, nullptr, *again.optimizer},
                    again.options, trainer.state());
    for (int i = 0; i < second; ++i) resumed.step();
    return again.weights();
  };
  const auto straight = run(6, 0);
  CHECK(same(straight, run(6, 0)));
  CHECK(same(straight, run(3, 3)));
}

TEST_CASE("a step that is not finite is skipped and counted, and too many in a row are fatal") {
  World world;
  world.options.max_bad_steps = 3;
  Trainer trainer = world.trainer();
  trainer.step();
  const auto before = world.weights();
  // A learning signal that is infinite: the loss and all gradients are not finite, the weights must stay.
  class Broken final : public Objective {
   public:
    explicit Broken(const Objective& inner) : inner_(inner) {}
    [[nodiscard]] bool needs_reference() const override { return false; }
    [[nodiscard]] Credit credit(const RewardTable& r, const Batch& b, const at::Tensor& ref) const override {
      Credit c = inner_.credit(r, b, ref);
      c.active.assign(c.active.size(), true);
      c.coefficients[0] = std::numeric_limits<double>::infinity();
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
  World world(o);
  Trainer trainer = world.trainer();
  CHECK(trainer.step().metrics.at("kl") == Approx(0.0).margin(1e-6));
  double kl = 0.0;
  for (int i = 0; i < 10; ++i) kl = trainer.step().metrics.at("kl");
  CHECK(kl > 1e-3);
}

TEST_CASE("sampler and trainer agree on log-probs during training") {
  World world;
  Trainer trainer = world.trainer();
  for (int i = 0; i < 3; ++i) CHECK(trainer.step().metrics.at("sampling/sampling_logp_difference/mean") < 1e-4);
}

TEST_CASE("hooks run in order after each step, and a stop flag ends the run early") {
  World world;
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
