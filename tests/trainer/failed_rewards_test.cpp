// Rewards that fail in training: left out, counted, and too many of them end the run between two updates. Rewards beside sampling.
#include "libgrpo/trainer/reward_failures.hpp"

#include "libgrpo/trainer/dealt.hpp"
#include "tests/trainer/world.hpp"

#include <catch2/catch.hpp>
#include <chrono>
#include <cmath>
#include <stdexcept>
#include <thread>

using namespace grpo;
using Catch::Matchers::Contains;
using grpo::testing::same;
using grpo::testing::TrainingFixture;

namespace {

Reward share_of_low_ids(const Completion& c) {
  double share = 0.0;
  for (const auto id : c.ids) share += id < 100 ? 1.0 : 0.0;
  return Reward::of(share / static_cast<double>(c.ids.size()));
}

/// What run() tells its hooks.
struct Watch final : Hook {
  std::vector<std::int64_t> steps;
  std::optional<std::pair<std::int64_t, bool>> end;
  void after_step(StepReport& report) override { steps.push_back(report.step); }
  void after_run(std::int64_t step, bool stopped) override { end = {step, stopped}; }
};

}  // namespace

TEST_CASE("training goes on where some rewards fail, and tells how many and why") {
  TrainingFixture world;
  world.options.max_reward_failures = 0.5;
  world.set_reward([](const Prompt&, const Completion& c) {
    if (c.ids[0] % 3 == 0) throw std::runtime_error("no such planet");
    return share_of_low_ids(c);
  });
  Trainer trainer = world.trainer();
  const auto before = world.weights();
  double failed = 0.0;
  for (int i = 0; i < 3; ++i) {
    const StepReport report = trainer.step();
    const auto told = failed_rewards(report.groups, report.rewards);
    if (told.empty()) continue;
    failed += static_cast<double>(told[0].failed);
    CHECK(told[0].asked == 12);
    CHECK_THAT(show(told[0]), Contains("reward low_ids: ") && Contains(" of 12 failed; first: threw: no such planet (questions:"));
    CHECK(report.metrics.at("rewards/low_ids/failed") == Approx(static_cast<double>(told[0].failed) / 12.0));
    for (std::size_t k = 0; k < 12; ++k)
      if (report.rewards.columns[0].rewards[k].is_failed()) CHECK(report.coefficients[k] == 0.0);
  }
  CHECK(failed > 0.0);
  CHECK_FALSE(same(before, world.weights()));
}

TEST_CASE("too many failures end the run before the batch counts, with the hooks told to save; the same run then goes on exactly") {
  const auto build = [](bool breaks) {
    auto world = std::make_unique<TrainingFixture>();
    auto calls = std::make_shared<std::atomic<int>>(0);
    world->set_reward([breaks, calls](const Prompt&, const Completion& c) {
      if (breaks && (*calls)++ >= 24) return Reward::failed("the judge is down");
      return share_of_low_ids(c);
    });
    world->options.max_reward_failures = 0.25;
    return world;
  };
  const std::atomic<bool> stop = false;
  auto straight = build(false), first = build(true), second = build(false);
  Watch whole;
  Trainer a = straight->trainer();
  CHECK(a.run({&whole}, stop));

  Watch broken;
  Trainer b = first->trainer();
  try {
    b.run({&broken}, stop);
    FAIL("the run went on");
  } catch (const RewardsFailed& error) {
    CHECK(error.kind() == ErrorKind::backend);
    CHECK_THAT(error.what(),
               Contains("reward low_ids: 12 of 12 failed; first: the judge is down (questions:") && Contains("max_reward_failures 0.25"));
  }
  CHECK(broken.steps == std::vector<std::int64_t>{1, 2});
  REQUIRE(broken.end);
  CHECK(*broken.end == std::pair<std::int64_t, bool>{2, true});
  CHECK(b.state().step == 2);
  CHECK(b.state().prompts_drawn == 6);  // the batch that failed does not count
  CHECK(b.pending() == nullptr);

  second->continue_from(*first);
  Trainer c = second->trainer(b.state());
  Watch rest;
  CHECK(c.run({&rest}, stop));
  CHECK(rest.steps == std::vector<std::int64_t>{3, 4});
  CHECK(same(straight->weights(), second->weights()));
}

TEST_CASE("the share counts verdicts that were asked for, each function on its own") {
  RewardTable table;
  const auto f = Reward::failed("x"), v = Reward::of(1.0), n = Reward::not_applicable();
  table.columns = {{"a", 1.0, {v, v, v, f}, 0.0}, {"b", 1.0, {n, n, v, f}, 0.0}};
  Group group;
  group.prompt.source = "rows.jsonl:3";
  group.completions.resize(4);
  CHECK_NOTHROW(check_failures({group}, table, 0.5));
  CHECK_THROWS_WITH(check_failures({group}, table, 0.49), Contains("reward b: 1 of 2 failed; first: x (rows.jsonl:3)"));
  CHECK_THROWS_WITH(check_failures({group}, table, 0.0), Contains("reward a: 1 of 4"));
  table.columns = {{"c", 1.0, {n, n, n, n}, 0.0}};
  CHECK_NOTHROW(check_failures({group}, table, 0.0));
}

TEST_CASE("a group that is finished is judged while others are sampled: nothing else changes, and the phases show it") {
  /// Hands over each group as it comes, a while before the next.
  class Slow final : public Sampler {
   public:
    Slow(Sampler& inner, bool tells) : inner_(inner), tells_(tells) {}
    [[nodiscard]] std::vector<Group> generate(const std::vector<Prompt>& prompts, const SamplingParams& params) override {
      SamplingParams quiet = params;
      quiet.on_group = nullptr;
      std::vector<Group> groups = inner_.generate(prompts, quiet);
      for (std::size_t g = groups.size(); g-- > 0;) {  // the last first
        if (tells_ && params.on_group) params.on_group(g, groups[g]);
        std::this_thread::sleep_for(std::chrono::milliseconds(150));
      }
      return groups;
    }
    void refresh(const Policy& policy, std::int64_t step) override { inner_.refresh(policy, step); }
    [[nodiscard]] bool exact_log_probs() const override { return inner_.exact_log_probs(); }

   private:
    Sampler& inner_;
    bool tells_;
  };
  const auto run = [](bool tells) {
    TrainingFixture world;
    world.set_reward([](const Prompt&, const Completion& c) {
      std::this_thread::sleep_for(std::chrono::milliseconds(30));
      return share_of_low_ids(c);
    });
    Slow slow(world.sampler, tells);
    world.used_sampler = &slow;
    Trainer trainer = world.trainer();
    return trainer.step();
  };
  const StepReport beside = run(true), behind = run(false);
  const auto phase = [](const StepReport& report, const std::string& name) {
    for (const auto& [known, seconds] : report.phases)
      if (known == name) return seconds;
    return std::nan("");
  };
  CHECK(beside.rewards.columns[0].seconds > 0.35);  // twelve times 0.03
  CHECK(phase(beside, "reward") < 0.08);
  CHECK(phase(behind, "reward") > 0.11);  // three groups of four, side by side
  CHECK(beside.metrics.at("reward") == behind.metrics.at("reward"));
  CHECK(beside.metrics.at("loss") == behind.metrics.at("loss"));
  CHECK(beside.coefficients == behind.coefficients);
}

TEST_CASE("the built-in sampler hands groups over as they end, texts decoded, each once") {
  TrainingFixture world;
  std::vector<Prompt> prompts;
  for (std::size_t i = 0; i < 5; ++i) prompts.push_back(world.prompts.prompt(i));
  InProcessSampler narrow(*world.model, world.tokenizer, 3);
  std::map<std::size_t, Group> seen;
  SamplingParams params = world.options.sampling;
  params.max_completion_length = 5;
  std::size_t tokens = 0, tokens_at_first = 0;
  params.on_token = [&](std::size_t, std::size_t, std::int32_t) { ++tokens; };
  params.on_group = [&](std::size_t g, const Group& group) {
    if (seen.empty()) tokens_at_first = tokens;
    CHECK(seen.emplace(g, group).second);
  };
  const auto groups = narrow.generate(prompts, params);
  REQUIRE(seen.size() == 5);
  CHECK(tokens_at_first < tokens / 2);
  for (std::size_t g = 0; g < 5; ++g)
    for (std::size_t c = 0; c < 4; ++c) {
      CHECK(seen[g].completions[c].text == groups[g].completions[c].text);
      CHECK(seen[g].completions[c].ids == groups[g].completions[c].ids);
      CHECK(seen[g].prompt.id == prompts[g].id);
    }
}
