#include "libgrpo/trainer/trainer.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/objective/grpo.hpp"
#include "libgrpo/objective/hybrid.hpp"
#include "libgrpo/objective/listwise.hpp"
#include "libgrpo/rollout/saved_groups.hpp"
#include "libgrpo/tensor/lists.hpp"
#include "libgrpo/sampler/in_process_sampler.hpp"
#include "tests/support/tensors.hpp"
#include "tests/support/tiny_model.hpp"

#include <ATen/core/grad_mode.h>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <set>

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
  std::unique_ptr<Objective> objective;
  std::unique_ptr<AdamW> optimizer;
  TrainerOptions options;
  Sampler* used_sampler = &sampler;
  std::unique_ptr<ReferenceSync> sync;

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
  Trainer trainer(TrainerState state = {}, std::optional<Rollout> rollout = {}) {
    return Trainer({prompts, order, *used_sampler, reward, *objective, *model, reference.get(), *optimizer, sync.get()}, options, state,
                   std::move(rollout));
  }
  /// Weights, optimizer and counters of another world, as after a restart.
  void continue_from(const World& other) {
    copy(other.model->parameters(), model->parameters());
    copy(other.reference->parameters(), reference->parameters());
    optimizer->restore(other.optimizer->state(), other.optimizer->steps());
    objective->restore(other.objective->state());
  }
  static void copy(const std::vector<Parameter>& from, const std::vector<Parameter>& to) {
    const at::NoGradGuard no_grad;
    for (std::size_t i = 0; i < from.size(); ++i) to[i].tensor.copy_(from[i].tensor);
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
    World again;  // everything but weights, optimizer and counters is built anew
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

namespace {

/// A generation batch written as a checkpoint does, and read back.
std::optional<Rollout> through_a_file(const Rollout* pending) {
  if (pending == nullptr) return std::nullopt;
  const std::string text =
      to_json_lines({pending->scored.groups, pending->scored.rewards, {}, to_list(pending->ref_log_probs), to_list(pending->old_log_probs)}, 1);
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
  void refresh(const Policy& policy) override { inner_.refresh(policy); }

 private:
  Sampler& inner_;
};

double last_loss(World& world, int steps) {
  Trainer trainer = world.trainer();
  double loss = 0.0;
  for (int i = 0; i < steps; ++i) loss = trainer.step().metrics.at("loss");
  return loss;
}

}  // namespace

TEST_CASE("several iterations train on one batch with the log-probs of the policy that sampled it") {
  World world;
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
  CHECK(clipped[0] == 0.0);   // ratio 1
  CHECK(clipped[2] > 0.05);   // the policy has moved
  CHECK(clipped[3] == 0.0);   // sampled anew
  CHECK(trainer.state().prompts_drawn == 6);
}

TEST_CASE("a generation batch can be cut into several steps of whole groups") {
  World world;
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
  World twice;
  twice.options.slices = 3;
  twice.options.num_iterations = 2;
  Trainer again = twice.trainer();
  std::vector<std::uint64_t> order;
  for (int step = 0; step < 6; ++step) order.push_back(again.step().groups[0].prompt.id);
  CHECK(std::set<std::uint64_t>(order.begin(), order.begin() + 3).size() == 3);
  CHECK(std::equal(order.begin(), order.begin() + 3, order.begin() + 3));
}

TEST_CASE("a run cut between two updates of one batch equals the uninterrupted one, bit for bit") {
  const auto build = [](bool listwise, bool inexact) {
    ObjectiveOptions o;
    o.beta = 0.05;
    o.kl_target = 0.01;
    o.kl_horizon = 5.0;
    o.kl_ctl_step_size = 0.5;
    o.top_entropy_quantile = 0.8;
    auto world = std::make_unique<World>(o);
    if (listwise) {
      MaxentOptions m;
      m.maxent_target_weight_entropy = 1.0;
      m.maxent_tau_lr = 0.3;
      world->objective = std::make_unique<Hybrid>(o, m, ObjectiveContext());
    }
    world->options.num_iterations = 2;
    world->options.slices = 3;
    world->sync = std::make_unique<ReferenceSync>(world->model->parameters(), world->reference->parameters(), ReferenceSchedule{0.3, 2, 0});
    static_cast<void>(inexact);
    return world;
  };
  for (const bool listwise : {false, true})
    for (const bool inexact : {false, true})
      for (const int cut : {1, 3, 5, 6}) {
        auto straight = build(listwise, inexact), first = build(listwise, inexact), second = build(listwise, inexact);
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
    World world(o);
    world.options.num_iterations = iterations;
    world.options.correct_sampler = corrects;
    Inexact other(world.sampler);
    if (inexact) world.used_sampler = &other;
    Trainer trainer = world.trainer();
    std::vector<std::map<std::string, double>> metrics;
    for (std::int64_t i = 0; i < iterations; ++i) metrics.push_back(trainer.step().metrics);
    return metrics;
  };
  const auto exact = run(false, true, 2, SamplerCorrection::token_truncate), ignored = run(true, false, 2, SamplerCorrection::token_truncate),
             corrected = run(true, true, 2, SamplerCorrection::token_truncate);
  // Uncorrected, the policy's own log-probs are the old ones, so the sampler's error does not matter at all.
  CHECK(ignored[1].at("loss") == Approx(exact[1].at("loss")).epsilon(1e-4).margin(1e-6));
  CHECK(exact[0].count("sampling/importance_sampling_ratio/mean") == 0);
  // A token's ratio is e^0.3 or e^-0.3.
  CHECK(corrected[0].at("sampling/importance_sampling_ratio/mean") == Approx(std::cosh(0.3)).epsilon(0.1));
  CHECK(corrected[0].at("sampling/sampling_logp_difference/mean") == Approx(0.3).epsilon(1e-3));
  CHECK(corrected[0].at("grad_norm") != Approx(exact[0].at("grad_norm")).epsilon(1e-3));
  CHECK(run(true, true, 1, SamplerCorrection::token_truncate)[0].at("grad_norm") == Approx(corrected[0].at("grad_norm")).epsilon(1e-4));
}

TEST_CASE("dynamic sampling draws until every group has a signal, within its bound, and never skips a prompt") {
  World world;
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
  World flat;
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
  World world;
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
  World world;
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
  World half;
  const auto before = half.reference->parameters()[0].tensor.detach().clone();
  half.sync = std::make_unique<ReferenceSync>(half.model->parameters(), half.reference->parameters(), ReferenceSchedule{0.5, 1, 0});
  Trainer once = half.trainer();
  once.step();
  const auto expected = (before + half.model->parameters()[0].tensor.detach()) / 2;
  CHECK(grpo::testing::max_abs_difference(half.reference->parameters()[0].tensor, expected) < 1e-6);
}

TEST_CASE("listwise MaxEnt-GRPO learns the rewarded ids as well, and reports its weights") {
  World world;
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
    World world;
    world.objective = std::make_unique<Hybrid>(ObjectiveOptions(), MaxentOptions(), ObjectiveContext());
    world.options.token_budget = budget;
    return last_loss(world, 3);
  };
  CHECK(loss(25) == Approx(loss(10000)).epsilon(1e-3));
}

TEST_CASE("a resumed run keeps its momentum through a step without any signal") {
  // The second batch of every three has no signal: nothing is scored, and the optimizer still moves.
  const auto build = [] {
    auto world = std::make_unique<World>();
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
