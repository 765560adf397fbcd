// Batches made ahead: their order, how old their weights may be, what is kept when a run stops, and what the overlap is worth.
#include "libgrpo/trainer/rollouts_ahead.hpp"

#include "libgrpo/base/error.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <thread>

using namespace grpo;
using Clock = std::chrono::steady_clock;

namespace {

/// Batches of two prompts whose first group carries the number of its prompt; batch `slow` takes long.
RolloutsAhead::Make maker(std::atomic<int>& begun, std::int64_t slow = -1) {
  return [&begun, slow](std::uint64_t& cursor, Phases&) {
    ++begun;
    if (slow >= 0 && cursor == static_cast<std::uint64_t>(2 * slow)) std::this_thread::sleep_for(std::chrono::milliseconds(80));
    ScoredGroups made;
    for (int i = 0; i < 2; ++i) {
      Group group;
      group.prompt.id = cursor++;
      made.groups.push_back(group);
    }
    return made;
  };
}

/// Waits until `number` batches were begun; a little longer, to see one too many.
void settle(const std::atomic<int>& begun, int number) {
  for (int i = 0; i < 2000 && begun < number; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
}

}  // namespace

TEST_CASE("batches come in order, whichever is finished first") {
  std::atomic<int> begun = 0;
  RolloutsAhead ahead({maker(begun, 0), maker(begun, 0), maker(begun, 0)}, 2, {2, 1});
  ahead.start(0, 0);
  Phases phases;
  for (std::uint64_t batch = 0; batch < 6; ++batch) {
    const BatchAhead made = ahead.next(phases);
    CHECK(made.scored.groups[0].prompt.id == 2 * batch);
    CHECK(made.cursor == 2 * batch + 2);
    ahead.weights_changed(static_cast<std::int64_t>(batch) + 1);
  }
}

TEST_CASE("no batch is begun before its weights are fresh enough") {
  for (const std::int64_t staleness : {0, 1, 3})
    for (const std::int64_t updates : {1, 2}) {
      CAPTURE(staleness, updates);
      std::atomic<int> begun = 0;
      RolloutsAhead ahead({maker(begun), maker(begun)}, 2, {staleness, updates});
      ahead.start(0, 0);
      settle(begun, static_cast<int>(1 + staleness / updates));
      CHECK(begun == 1 + staleness / updates);  // batch b begins once b * updates - staleness updates are done
      Phases phases;
      std::int64_t update = 0;
      for (int batch = 0; batch < 5; ++batch) {
        const BatchAhead made = ahead.next(phases);
        CHECK(update - made.weights <= staleness);
        CHECK(update - made.weights >= 0);
        for (int i = 0; i < updates; ++i) ahead.weights_changed(++update);
      }
    }
}

TEST_CASE("a run that stops has what was begun, and begins no more; none is begun behind the run's end") {
  for (const std::size_t makers : {1U, 2U}) {
    std::atomic<int> begun = 0;
    RolloutsAhead ahead(std::vector<RolloutsAhead::Make>(makers, maker(begun)), 2, {2, 1});
    ahead.start(5, 10);
    Phases phases;
    CHECK(ahead.next(phases).cursor == 12);
    ahead.weights_changed(6);
    settle(begun, 4);
    ahead.stop();
    ahead.weights_changed(7);
    settle(begun, 5);
    CHECK(begun == 4);
    const auto waiting = ahead.waiting();
    REQUIRE(waiting.size() == 3);
    for (const auto& [distance, batch] : waiting) CHECK(batch.scored.groups[0].prompt.id == 12 + 2 * static_cast<std::uint64_t>(distance));

    std::atomic<int> to_the_end = 0;
    RolloutsAhead last(std::vector<RolloutsAhead::Make>(makers, maker(to_the_end)), 2, {9, 2, 6});
    last.start(0, 0);
    settle(to_the_end, 4);
    CHECK(to_the_end == 3);  // of two updates each
  }
}

TEST_CASE("what a maker throws is thrown where the batch is wanted, and batches made before it are still given out") {
  std::atomic<int> begun = 0;
  const auto good = maker(begun);
  RolloutsAhead ahead({[&](std::uint64_t& cursor, Phases& phases) {
                        if (cursor == 2) throw Error(ErrorKind::backend, "the server is gone");
                        return good(cursor, phases);
                      }},
                      2, {2, 1});
  ahead.start(0, 0);
  Phases phases;
  CHECK(ahead.next(phases).cursor == 2);
  CHECK_THROWS_WITH(ahead.next(phases), Catch::Contains("the server is gone"));
  ahead.stop();
}
