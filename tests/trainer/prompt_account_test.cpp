#include "libgrpo/trainer/prompt_account.hpp"

#include "libgrpo/base/error.hpp"
#include "tests/trainer/world.hpp"

#include <catch2/catch.hpp>

using namespace grpo;
using Catch::Matchers::Contains;
using grpo::testing::TrainingFixture;

namespace {

std::vector<Group> groups(const std::vector<std::uint64_t>& ids) {
  std::vector<Group> all;
  for (const auto id : ids) {
    Group group;
    group.prompt.id = id;
    group.prompt.source = "rows:" + std::to_string(id);
    all.push_back(std::move(group));
  }
  return all;
}

PromptAccount opened(std::uint64_t accounted = 0) {
  PromptAccount account;
  account.open(7, 4, accounted);
  return account;
}

}  // namespace

TEST_CASE("an account of two epochs holds, and comes back from a checkpoint at any point") {
  PromptAccount account = opened();
  std::uint64_t at = 0;
  const std::vector<std::vector<std::uint64_t>> batches{{11, 12}, {13, 14}, {14, 11}, {12, 13}};
  for (const auto& batch : batches) {
    account.begin_batch(at, at + 2, 2);
    for (const auto id : batch) {
      account.train(groups({id}));
      account = PromptAccount(account.state());
      ++at;
      account.open(7, 4, at);
    }
  }
}

TEST_CASE("a prompt that comes twice in an epoch is named") {
  PromptAccount account = opened();
  account.begin_batch(0, 2, 2);
  account.train(groups({11, 12}));
  account = PromptAccount(account.state());
  account.open(7, 4, 2);
  account.begin_batch(2, 4, 2);
  CHECK_THROWS_WITH(account.train(groups({13, 11})), Contains("rows:11 comes a second time in epoch 0"));
}

TEST_CASE("prompts that are left out, or drawn again, are found by their number") {
  PromptAccount account = opened();
  account.begin_batch(0, 2, 2);
  account.train(groups({11}));
  CHECK_THROWS_WITH(account.begin_batch(2, 4, 2), Contains("1 prompts were trained on or discarded, but the next batch begins behind 2"));
  account.train(groups({12}));
  CHECK_THROWS_AS(account.begin_batch(0, 2, 2), Error);
  CHECK_THROWS_WITH(account.open(7, 4, 4), Contains("2 prompts") && Contains("goes on behind 4"));
  CHECK_THROWS_WITH(account.begin_batch(2, 3, 2), Contains("2 groups was drawn out of 1"));
}

TEST_CASE("with dynamic sampling, discarded prompts count, and a batch may reach into the next epoch") {
  PromptAccount account = opened();
  account.begin_batch(0, 3, 2);  // one of three was discarded
  account.train(groups({11, 12}));
  account.begin_batch(3, 6, 2);  // the second of them is of the next epoch
  account.train(groups({14, 11}));
  account.begin_batch(6, 8, 2);
  CHECK_THROWS_WITH(account.train(groups({11, 12})), Contains("rows:11 comes a second time in epoch 1"));
}

TEST_CASE("under another order of prompts the account begins anew; a damaged one is refused") {
  PromptAccount account = opened();
  account.begin_batch(0, 2, 2);
  account.train(groups({11, 12}));
  account.open(8, 6, 40);
  account.begin_batch(40, 42, 2);
  account.train(groups({11, 12}));
  CHECK_THROWS_WITH(PromptAccount({{"head", at::zeros({3}, at::kLong)}}), Contains("head"));
  CHECK_THROWS_WITH(PromptAccount({{"ids", at::zeros({3}, at::kLong)}}), Contains("head"));
}

TEST_CASE("a trainer that goes on with the wrong cursor says so before it trains") {
  TrainingFixture first;
  Trainer before = first.trainer();
  before.step();
  TrainerState state = before.state();
  state.prompts_drawn += 3;  // a batch is left out
  TrainingFixture second;
  CHECK_THROWS_WITH(second.trainer(state), Contains("3 prompts were trained on or discarded, but the checkpoint goes on behind 6"));
}

TEST_CASE("a trainer keeps the account: what it has trained on may not come again in the epoch") {
  TrainingFixture world;
  Trainer trainer = world.trainer();
  const StepReport first = trainer.step();
  PromptAccount account = trainer.state().prompts;
  CHECK_THROWS_WITH(account.train(std::span(first.groups).first(1)),
                    Contains(first.groups.front().prompt.source + " comes a second time in epoch 0"));
  trainer.step();
  const StepReport third = trainer.step();  // the next epoch
  account = trainer.state().prompts;
  CHECK_THROWS_WITH(account.train(std::span(third.groups).first(1)), Contains("in epoch 1"));
}

TEST_CASE("between the updates of a generation batch the account knows which slices were trained on") {
  TrainingFixture world;
  world.options.slices = 3;
  world.options.num_iterations = 2;
  world.options.total_steps = 12;
  Trainer trainer = world.trainer();
  for (int i = 0; i < 12; ++i) {
    trainer.step();
    std::optional<Rollout> pending;
    if (trainer.pending() != nullptr) pending = *trainer.pending();
    TrainingFixture other;
    other.options = world.options;
    CHECK_NOTHROW(other.trainer(trainer.state(), pending));
  }
}
