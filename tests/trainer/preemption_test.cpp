#include "libgrpo/trainer/preemption.hpp"

#include "libgrpo/base/error.hpp"
#include "tests/trainer/world.hpp"

#include <catch2/catch.hpp>

#include <sstream>

using namespace grpo;
using grpo::testing::same;
using grpo::testing::TrainingFixture;

namespace {

/// Draws as the sampler it wraps does, one group at a time, counts them, and raises `stop` while it draws the last of `until`.
class Counting final : public Sampler {
 public:
  explicit Counting(Sampler& inner) : inner_(inner) {}
  [[nodiscard]] std::vector<Group> generate(const std::vector<Prompt>& prompts, const SamplingParams& params) override {
    std::vector<Group> groups;
    for (const Prompt& prompt : prompts) {
      if (++drawn == until) stop = true;
      SamplingParams one = params;
      const std::size_t g = groups.size();
      one.on_token = [&](std::size_t, std::size_t sample, std::int32_t token) {
        if (params.on_token) params.on_token(g, sample, token);
      };
      one.on_group = [&](std::size_t, const Group& group) {
        if (params.on_group) params.on_group(g, group);
      };
      groups.push_back(inner_.generate({prompt}, one).front());
    }
    return groups;
  }
  [[nodiscard]] bool exact_log_probs() const override { return true; }
  void refresh(const Policy& policy, std::int64_t version) override { inner_.refresh(policy, version); }
  int drawn = 0, until = 0;
  std::atomic<bool> stop{false};

 private:
  Sampler& inner_;
};

struct Run {
  std::unique_ptr<World> world = make_solo_world();
  TrainingFixture parts;
  Counting counting{parts.sampler};
  StoppableSampler stoppable{counting, *world, parts.tokenizer};
  Run() { parts.used_sampler = &stoppable; }
};

}  // namespace

TEST_CASE("a step stopped while it samples keeps what is finished, and goes on to the same end") {
  TrainingFixture straight;
  Trainer whole = straight.trainer();
  std::atomic<bool> never{false};
  CHECK(whole.run({}, never));

  Run first;
  first.counting.until = 3 + 2;  // three groups a step: the second of the second step
  first.stoppable.listen(&first.counting.stop);
  Trainer stopped = first.parts.trainer();
  CHECK_FALSE(stopped.run({}, first.counting.stop));
  CHECK(stopped.state().step == 1);
  CHECK(stopped.state().prompts_drawn == 3);
  CHECK(stopped.pending() == nullptr);
  const std::string finished = stopped.finished_groups();
  CHECK(std::count(finished.begin(), finished.end(), '\n') == 1);

  Run second;
  second.parts.continue_from(first.parts);
  std::istringstream lines(finished);
  for (std::string line; std::getline(lines, line);) second.stoppable.keep(line, 300, 128);
  Trainer resumed = second.parts.trainer(stopped.state());
  CHECK(resumed.run({}, never));
  CHECK(second.counting.drawn == 3 * 3 - 1);  // three steps, but for the group that was finished
  CHECK(same(second.parts.weights(), straight.weights()));
}

TEST_CASE("a step stopped behind its sampling keeps its generation batch") {
  TrainingFixture parts;
  std::atomic<bool> stop{false};
  parts.set_reward([&](const Prompt&, const Completion&) {
    stop = true;
    return Reward::of(1.0);
  });
  Trainer trainer = parts.trainer();
  CHECK_FALSE(trainer.run({}, stop));
  CHECK(trainer.state().step == 0);
  REQUIRE(trainer.pending() != nullptr);
  CHECK(trainer.pending()->scored.groups.size() == 3);
  CHECK(trainer.finished_groups().empty());
}

TEST_CASE("kept groups are used for the seed and the prompt they were drawn with, and damaged ones refused") {
  Run run;
  SamplingParams params;
  params.num_generations = 2;
  params.max_completion_length = 4;
  const Prompt prompt = run.parts.prompts.prompt(0);
  const auto drawn = run.stoppable.generate({prompt}, params);
  CHECK(run.counting.drawn == 1);
  run.stoppable.keep(finished_lines(drawn, params.seed), 300, 128);
  const auto again = run.stoppable.generate({prompt}, params);
  CHECK(run.counting.drawn == 1);
  CHECK(again[0].completions[1].ids == drawn[0].completions[1].ids);
  CHECK(again[0].completions[1].log_probs == drawn[0].completions[1].log_probs);
  CHECK(again[0].completions[1].text == drawn[0].completions[1].text);
  SamplingParams other = params;
  other.seed = 7;
  static_cast<void>(run.stoppable.generate({prompt}, other));
  CHECK(run.counting.drawn == 2);
  other = params;
  other.num_generations = 3;
  static_cast<void>(run.stoppable.generate({prompt}, other));
  CHECK(run.counting.drawn == 3);
  CHECK_THROWS_AS(run.stoppable.keep("{}", 300, 128), Error);
  CHECK_THROWS_AS(run.stoppable.keep(R"({"prompt_ids": [1], "completions": [{"ids": [2], "rewards": {}}]})", 300, 128), Error);
}
