// Memory that runs out in a pass: half the token budget, once, and the same step.
#include "libgrpo/trainer/out_of_memory.hpp"

#include "libgrpo/base/error.hpp"
#include "tests/trainer/world.hpp"

#include <c10/util/Exception.h>
#include <catch2/catch.hpp>
#include <new>

using namespace grpo;
using Catch::Matchers::Contains;
using grpo::testing::TrainingFixture;

namespace {

/// The fixture's objective, which runs out of memory in the losses with these numbers.
class Hungry final : public Objective {
 public:
  Hungry(const Objective& inner, std::vector<int> fails) : inner_(inner), fails_(std::move(fails)) {}
  [[nodiscard]] bool needs_reference() const override { return inner_.needs_reference(); }
  [[nodiscard]] Credit credit(const CreditInput& input) const override { return inner_.credit(input); }
  [[nodiscard]] Loss loss(const LossInput& in) const override {
    if (std::count(fails_.begin(), fails_.end(), losses_++) > 0) static_cast<void>(at::empty({std::int64_t{1} << 58}));
    return inner_.loss(in);
  }
  [[nodiscard]] int losses() const { return losses_; }

 private:
  const Objective& inner_;
  std::vector<int> fails_;
  mutable int losses_ = 0;
};

Trainer trainer_with(TrainingFixture& world, Objective& objective) {
  return Trainer(
      {world.prompts, world.order, world.sampler, world.reward, objective, *world.model, world.reference.get(), *world.optimizer},
      world.options);
}

}  // namespace

TEST_CASE("what says that memory ran out, and what does not") {
  CHECK(is_out_of_memory(std::bad_alloc()));
  try {
    static_cast<void>(at::empty({std::int64_t{1} << 58}));
    FAIL("a machine with that much memory");
  } catch (const std::exception& error) {
    CHECK(is_out_of_memory(error));
  }
  try {
    TORCH_CHECK_WITH(OutOfMemoryError, false, "CUDA out of memory");
  } catch (const std::exception& error) {
    CHECK(is_out_of_memory(error));
  }
  try {
    TORCH_CHECK(false, "shapes differ");
  } catch (const std::exception& error) {
    CHECK_FALSE(is_out_of_memory(error));
  }
  CHECK_FALSE(is_out_of_memory(std::runtime_error("can't allocate memory")));
}

TEST_CASE("a pass that runs out of memory is done again with half the token budget, to the same step") {
  ObjectiveOptions o;
  o.beta = 0.1;
  TrainingFixture straight(o), hungry(o);
  straight.options.token_budget = hungry.options.token_budget = 60;
  Hungry counted(*straight.objective, {}), fails(*hungry.objective, {1});  // in the second part: the first has left its gradient
  Trainer a = trainer_with(straight, counted), b = trainer_with(hungry, fails);
  const StepReport want = a.step(), got = b.step();
  CHECK(counted.losses() > 1);
  CHECK(fails.losses() > counted.losses() + 2);
  for (const char* name : {"loss", "grad_norm", "kl", "entropy"})
    CHECK(got.metrics.at(name) == Approx(want.metrics.at(name)).epsilon(1e-4).margin(1e-6));
  REQUIRE(got.notes.size() == 1);
  CHECK_THAT(got.notes[0], Contains("out of memory in phase train") && Contains("the token budget is 30 rows"));
  CHECK(b.step().notes.empty());
}

TEST_CASE("memory that runs out a second time ends the run with advice") {
  TrainingFixture world;
  Hungry fails(*world.objective, {0, 1});
  Trainer trainer = trainer_with(world, fails);
  CHECK_THROWS_WITH(trainer.step(),
                    Contains("out of memory in phase train") && Contains("halved already") && Contains("gradient_checkpointing"));
}
