// Numbers that are not finite: the step is skipped and counted, the first of them is named, and too many such steps end the run.
#include "libgrpo/trainer/bad_numbers.hpp"

#include "libgrpo/base/error.hpp"
#include "tests/trainer/world.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

using namespace grpo;
using Catch::Matchers::Contains;
using grpo::testing::same;
using grpo::testing::TrainingFixture;

namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

/// The fixture's model, whose log-probs of one token are replaced.
class Spoiled final : public Policy {
 public:
  explicit Spoiled(CausalLm& inner) : inner_(inner) {}
  [[nodiscard]] TokenScores score(const Part& part, double temperature) const override {
    TokenScores scores = inner_.score(part, temperature);
    at::Tensor spoil = at::zeros_like(scores.log_probs);
    spoil[2] = value;
    return {scores.log_probs + spoil, scores.entropies};
  }
  [[nodiscard]] std::vector<Parameter> parameters() const override { return inner_.parameters(); }
  void save(const std::filesystem::path& folder) const override { inner_.save(folder); }
  float value = 0.0F;  ///< added to a log-prob of every part

 private:
  CausalLm& inner_;
};

/// The fixture's sampler, which says something else of one token.
class Lying final : public Sampler {
 public:
  explicit Lying(Sampler& inner) : inner_(inner) {}
  [[nodiscard]] std::vector<Group> generate(const std::vector<Prompt>& prompts, const SamplingParams& params) override {
    auto groups = inner_.generate(prompts, params);
    groups[1].completions[2].log_probs[3] = kNan;
    return groups;
  }
  [[nodiscard]] bool exact_log_probs() const override { return true; }
  void refresh(const Policy& policy, std::int64_t version) override { inner_.refresh(policy, version); }

 private:
  Sampler& inner_;
};

void check_skipped(TrainingFixture& world, Trainer& trainer, const std::string& name) {
  const auto before = world.weights();
  const StepReport report = trainer.step();
  CHECK(report.skipped);
  CHECK_THAT(report.bad_number, Contains(name));
  CHECK(report.metrics.at("skipped_steps") == 1.0);
  CHECK(report.metrics.at("bad_steps") == static_cast<double>(trainer.state().bad_steps));
  const auto after = world.weights();
  for (std::size_t i = 0; i < before.size(); ++i) CHECK(at::equal(before[i].nan_to_num(), after[i].nan_to_num()));
}

}  // namespace

TEST_CASE("the first element that is not finite, whatever the shape") {
  at::Tensor values = at::zeros({4, 3});
  CHECK(first_not_finite(values) == -1);
  values[2][1] = kNan;
  values[3][0] = std::numeric_limits<float>::infinity();
  CHECK(first_not_finite(values) == 7);
  CHECK(first_not_finite(values.t()) == 3);
  CHECK(first_not_finite(values.to(at::kBFloat16)) == 7);
  CHECK(first_not_finite(at::zeros({0})) == -1);
}

TEST_CASE("a weight that is not finite is named with its row, and too many such steps in a row end the run") {
  TrainingFixture world;
  world.options.max_bad_steps = 3;
  world.options.num_iterations = 4;  // all on one generation batch: by such weights none is drawn
  Trainer trainer = world.trainer();
  CHECK(trainer.step().metrics.at("bad_steps") == 0.0);
  const Parameter bad = world.model->parameters()[3];
  {
    const at::NoGradGuard no_grad;
    bad.tensor[0].fill_(kNan);
  }
  check_skipped(world, trainer, bad.name + " is nan in ");
  check_skipped(world, trainer, bad.name + " is nan in ");
  CHECK_THROWS_WITH(trainer.step(), Contains("not finite for 3 steps in a row") && Contains(bad.name + " is nan in "));
  CHECK(trainer.state().bad_steps == 3);
}

TEST_CASE("where completions cannot be drawn by such weights, the run ends at once with the weight's name") {
  TrainingFixture world;
  Trainer trainer = world.trainer();
  trainer.step();
  const Parameter bad = world.model->parameters()[2];
  {
    const at::NoGradGuard no_grad;
    bad.tensor.fill_(kNan);
  }
  CHECK_THROWS_WITH(trainer.step(), Contains("logits are not finite") && Contains(bad.name + " is nan in "));
}

TEST_CASE("a log-prob that is not finite is told by prompt, completion and token") {
  for (const float value : {kNan, std::numeric_limits<float>::infinity()}) {
    TrainingFixture world;
    world.options.num_iterations = 2;
    Spoiled spoiled(*world.model);
    Trainer trainer({world.prompts, world.order, world.sampler, world.reward, *world.objective, spoiled, nullptr, *world.optimizer},
                    world.options);
    CHECK_FALSE(trainer.step().skipped);
    spoiled.value = value;
    check_skipped(world, trainer, "the policy's log-prob is not finite at token 2 of completion 0 for questions:");
  }
}

TEST_CASE("a sampler's log-prob that is not finite is told as the sampler's") {
  TrainingFixture world;
  Lying lying(world.sampler);
  world.used_sampler = &lying;
  Trainer trainer = world.trainer();
  check_skipped(world, trainer, "the sampler's log-prob is not finite at token 3 of completion 2 for questions:");
}

TEST_CASE("a step that is finite again begins the count anew") {
  TrainingFixture world;
  world.options.max_bad_steps = 2;
  world.options.num_iterations = 2;
  world.options.total_steps = 6;
  Trainer trainer = world.trainer();
  const Parameter weight = world.model->parameters()[1];
  for (int i = 0; i < 3; ++i) {
    const at::NoGradGuard no_grad;
    const at::Tensor good = weight.tensor.detach().clone();
    CHECK_FALSE(trainer.step().skipped);
    weight.tensor[0].fill_(kNan);
    CHECK(trainer.step().skipped);
    CHECK(trainer.state().bad_steps == 1);
    weight.tensor.copy_(good);
  }
}

TEST_CASE("a reward that is not finite is a reward that failed, and is never trained on") {
  TrainingFixture world;
  world.set_reward(
      [](const Prompt&, const Completion& c) { return Reward::of(c.ids[0] % 2 == 0 ? std::nan("") : static_cast<double>(c.ids[0])); });
  Trainer trainer = world.trainer();
  const StepReport report = trainer.step();
  int failed = 0;
  for (std::size_t i = 0; i < report.coefficients.size(); ++i) {
    if (!report.rewards.columns[0].rewards[i].is_failed()) continue;
    ++failed;
    CHECK(report.coefficients[i] == 0.0);
  }
  CHECK(failed > 0);
  CHECK_FALSE(report.skipped);
  CHECK(std::isfinite(report.metrics.at("reward")));
}
