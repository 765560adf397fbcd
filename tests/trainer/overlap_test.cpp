// Generation beside training, with a sampler that is slow as a server with long-tailed completions is: how many steps an hour it
// gains, how old the weights are that sampled, and whether the policy still learns the same.
#include "libgrpo/assemble/batches_ahead.hpp"
#include "tests/trainer/world.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <cmath>
#include <mutex>
#include <random>
#include <thread>

using namespace grpo;
using grpo::testing::TrainingFixture;
using std::chrono::duration;

namespace {

/// Weights of its own, and an answer that is there when the longest of its completions is. Their lengths are log-normal, cut at
/// eight times the median, as those of reasoning models are; any number of requests are served beside each other.
class SlowServer final : public Sampler {
 public:
  explicit SlowServer(const Tokenizer& tokenizer) : inner_(*model_, tokenizer) {}

  [[nodiscard]] std::vector<Group> generate(const std::vector<Prompt>& prompts, const SamplingParams& params) override {
    std::vector<Group> groups;
    double longest = 0.0;
    {
      const std::lock_guard lock(mutex_);
      groups = inner_.generate(prompts, params);
      for (std::size_t i = 0; i < prompts.size() * static_cast<std::size_t>(params.num_generations); ++i)
        longest = std::max(longest, std::min(8.0, std::exp(length_(draws_))));
    }
    std::this_thread::sleep_for(duration<double>(0.008 * longest));
    return groups;
  }
  void refresh(const Policy& policy, std::int64_t /*step*/) override {
    const std::lock_guard lock(mutex_);
    TrainingFixture::copy(policy.parameters(), model_->parameters());
  }

 private:
  std::unique_ptr<CausalLm> model_ = grpo::testing::tiny_model(7, 0.15);
  InProcessSampler inner_;
  std::mutex mutex_;
  std::mt19937_64 draws_{5};
  std::normal_distribution<double> length_{0.0, 1.0};
};

struct Course {
  double seconds = 0.0;
  std::vector<double> rewards, staleness;
  double last(std::size_t count) const {
    double sum = 0.0;
    for (std::size_t i = rewards.size() - count; i < rewards.size(); ++i) sum += rewards[i];
    return sum / static_cast<double>(count);
  }
};

RolloutOptions rollout_options(const TrainingFixture& world) {
  return {world.order.batch_size(), world.options.seed, world.options.sampling};
}

/// max_staleness 0: in turn, without RolloutsAhead.
Course train(std::int64_t max_staleness, int steps) {
  TrainingFixture world;
  SlowServer server(world.tokenizer);
  world.options.total_steps = steps;
  BatchesAhead ahead(world.prompts, world.order, server, world.reward, rollout_options(world), {max_staleness, 1});
  TrainerParts parts{world.prompts, world.order, server, world.reward, *world.objective, *world.model, nullptr, *world.optimizer};
  if (max_staleness > 0) parts.ahead = &ahead.batches();
  Trainer trainer(parts, world.options);
  Course course;
  const Stopwatch watch;
  for (int step = 0; step < steps; ++step) {
    const StepReport report = trainer.step();
    std::this_thread::sleep_for(duration<double>(0.02));  // what a larger model's passes would take, on another device
    course.rewards.push_back(report.metrics.at("reward"));
    if (max_staleness > 0) course.staleness.push_back(report.metrics.at("sampling/staleness"));
  }
  course.seconds = watch.seconds();
  return course;
}

}  // namespace

TEST_CASE("generation beside training: at least 1.6 times the steps an hour, the same learning, no weights older than allowed") {
  const Course in_turn = train(0, 60), beside = train(2, 60);
  CAPTURE(in_turn.seconds, beside.seconds, in_turn.last(15), beside.last(15));
  CHECK(in_turn.seconds / beside.seconds > 1.6);
  CHECK(in_turn.last(15) > 0.8);
  CHECK(beside.last(15) > 0.8);
  CHECK(std::abs(in_turn.last(15) - beside.last(15)) < 0.1);
  CHECK(*std::max_element(beside.staleness.begin(), beside.staleness.end()) == 2.0);
  CHECK(*std::min_element(beside.staleness.begin(), beside.staleness.end()) >= 0.0);
}

TEST_CASE("with older weights the sampler's log-probs are corrected for, not taken as the policy's") {
  TrainingFixture world;
  BatchesAhead ahead(world.prompts, world.order, world.sampler, world.reward, rollout_options(world), {0, 1});
  TrainerParts parts{world.prompts, world.order, world.sampler, world.reward, *world.objective, *world.model, nullptr, *world.optimizer};
  Trainer plain(parts, world.options);
  CHECK(plain.step().metrics.count("sampling/importance_sampling_ratio/mean") == 0);
  parts.ahead = &ahead.batches();
  Trainer trainer(parts, world.options, plain.state());
  const auto metrics = trainer.step().metrics;
  CHECK(metrics.at("sampling/importance_sampling_ratio/mean") == Approx(1.0).margin(1e-3));  // as fresh as can be
  CHECK(metrics.at("sampling/staleness") == 0.0);
}
