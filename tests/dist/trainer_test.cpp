#include "tests/dist/ranks.hpp"
#include "tests/trainer/world.hpp"

#include <catch2/catch.hpp>

#include <mutex>

using namespace grpo;
using grpo::testing::on_ranks;

namespace {

using Ids = std::vector<std::vector<std::int32_t>>;

struct Course {
  std::vector<double> losses, rewards;
  std::vector<Ids> completions;  // of each step
};

Course train_on(World* world, std::int64_t steps, std::int64_t zero_stage = 0) {
  static std::mutex making;  // at::manual_seed is everybody's
  std::unique_ptr<grpo::testing::TrainingFixture> parts;
  {
    const std::lock_guard lock(making);
    ObjectiveOptions options;
    options.beta = 0.02;
    parts = std::make_unique<grpo::testing::TrainingFixture>(options);
  }
  parts->options.total_steps = steps;
  if (world != nullptr) parts->share_with(*world, zero_stage);
  Trainer trainer(parts->of_rank(world), parts->options);
  Course course;
  for (std::int64_t i = 0; i < steps; ++i) {
    const StepReport report = trainer.step();
    course.losses.push_back(report.metrics.at("loss"));
    course.rewards.push_back(report.metrics.at("rewards/low_ids/mean"));
    Ids ids;
    for (const Group& group : report.groups)
      for (const Completion& c : group.completions) ids.push_back(c.ids);
    course.completions.push_back(ids);
  }
  return course;
}

}  // namespace

TEST_CASE("one, two and four ranks draw the same completions and take the same course", "[dist]") {
  const Course alone = train_on(nullptr, 10);
  for (const auto& [size, stage] : {std::pair{2, 0}, {4, 0}, {2, 1}, {4, 1}, {2, 2}, {4, 2}, {2, 3}, {4, 3}}) {
    std::vector<Course> ranks(static_cast<std::size_t>(size));
    on_ranks(size, [&, stage = stage](World& world) { ranks[static_cast<std::size_t>(world.rank())] = train_on(&world, 10, stage); });
    INFO("zero_stage " << stage << ", " << size << " ranks");
    for (const Course& rank : ranks) {
      CHECK(rank.completions[0] == alone.completions[0]);
      CHECK(rank.losses == ranks[0].losses);
      for (std::size_t i = 0; i < 10; ++i) CHECK(rank.losses[i] == Approx(alone.losses[i]).epsilon(1e-4).margin(1e-6));
      for (std::size_t i = 0; i < 10; ++i) CHECK(rank.rewards[i] == Approx(alone.rewards[i]).epsilon(1e-6));
    }
  }
}

TEST_CASE("a signal at one rank stops all at the same step", "[dist]") {
  std::array<std::int64_t, 2> steps{};
  on_ranks(2, [&](World& world) {
    static std::mutex making;
    std::unique_ptr<grpo::testing::TrainingFixture> parts;
    {
      const std::lock_guard lock(making);
      parts = std::make_unique<grpo::testing::TrainingFixture>();
    }
    parts->options.total_steps = 50;
    parts->share_with(world, 0);
    Trainer trainer(parts->of_rank(&world), parts->options);
    struct Signal final : Hook {
      std::atomic<bool> stop{false};
      std::int64_t at = 0;
      void after_step(StepReport& report) override { stop = report.step == at; }
    } signal;
    signal.at = world.rank() == 1 ? 3 : 0;
    CHECK_FALSE(trainer.run({&signal}, signal.stop));
    steps[static_cast<std::size_t>(world.rank())] = trainer.state().step;
  });
  CHECK(steps == std::array<std::int64_t, 2>{3, 3});
}
