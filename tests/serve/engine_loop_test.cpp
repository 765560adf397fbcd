#include "libgrpo/serve/engine_loop.hpp"

#include "libgrpo/base/clock.hpp"
#include "libgrpo/sampler/in_process_sampler.hpp"
#include "libgrpo/serve/answers.hpp"
#include "libgrpo/serve/api_error.hpp"
#include "tests/support/tiny_model.hpp"

#include <catch2/catch.hpp>

#include <limits>
#include <thread>
#include <tuple>

using namespace grpo;
using namespace grpo::serve;
using grpo::testing::ByteTokenizer;
using grpo::testing::make_prompt;
using grpo::testing::tiny_model;

namespace {

const ByteTokenizer kTokenizer;

GenerationRequest request_of(const std::string& client, std::uint64_t seed, std::int64_t n, std::int64_t length) {
  GenerationRequest request;
  request.client = client;
  request.prompts = {make_prompt(seed, "how does it begin: " + std::to_string(seed))};
  request.params.seed = seed;
  request.params.num_generations = n;
  request.params.max_completion_length = request.params.min_completion_length = length;
  return request;
}

std::vector<Choice> wait_for(EngineLoop& engine, Job& job) {
  return collect(
      job, kTokenizer, true, [] { return false; }, [&] { engine.cancel(job); }, [] {});
}

void wait_until(const std::function<bool()>& good) {
  const Stopwatch watch;
  while (!good() && watch.seconds() < 10.0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  REQUIRE(good());
}

}  // namespace

TEST_CASE("requests that run side by side get what the in-process sampler gives each alone, bit for bit") {
  const std::shared_ptr<const CausalLm> model = tiny_model(6, 0.1);
  EngineLoop engine(model, kTokenizer, {.max_rows = 5});
  std::vector<std::shared_ptr<Job>> jobs;
  for (std::uint64_t i = 0; i < 6; ++i) {
    auto request = request_of(i % 2 == 0 ? "a" : "b", i, 1 + static_cast<std::int64_t>(i % 3), 12);
    request.params.temperature = 0.5 + 0.1 * static_cast<double>(i);
    jobs.push_back(engine.submit(request));
  }
  for (const auto& job : jobs) {
    const auto choices = wait_for(engine, *job);
    const Group alone = InProcessSampler(*model, kTokenizer).generate(job->request().prompts, job->request().params).front();
    REQUIRE(choices.size() == alone.completions.size());
    for (std::size_t i = 0; i < choices.size(); ++i) {
      CHECK(choices[i].ids == alone.completions[i].ids);
      CHECK(choices[i].log_probs == alone.completions[i].log_probs);
    }
  }
}

TEST_CASE("a request for many completions does not hold up another client") {
  const std::shared_ptr<const CausalLm> model = tiny_model(6, 0.1);
  EngineLoop engine(model, kTokenizer, {.max_rows = 2});
  engine.pause(PauseMode::keep);
  const auto many = engine.submit(request_of("greedy", 1, 3000, 20));
  const auto one = engine.submit(request_of("modest", 2, 1, 20));
  engine.resume();
  std::ignore = wait_for(engine, *one);
  CHECK(many->news(std::chrono::milliseconds(0)).finished.size() < 1500);  // of 3000, all of which came first
  engine.cancel(*many);
  wait_until([&] { return engine.status().rows == 0; });
}

TEST_CASE("too many waiting requests are refused with 429, too large ones with 400") {
  const std::shared_ptr<const CausalLm> model = tiny_model(6, 0.1);
  EngineLoop engine(model, kTokenizer, {.max_rows = 2, .max_waiting = 2, .max_cache_tokens = 200});
  engine.pause(PauseMode::wait);
  std::vector<std::shared_ptr<Job>> jobs = {engine.submit(request_of("a", 1, 1, 4)), engine.submit(request_of("a", 2, 1, 4))};
  try {
    std::ignore = engine.submit(request_of("b", 3, 1, 4));
    FAIL("taken");
  } catch (const ApiError& error) {
    CHECK(error.status() == 429);
  }
  try {
    std::ignore = engine.submit(request_of("b", 3, 1, 150));
    FAIL("taken");
  } catch (const ApiError& error) {
    CHECK(error.status() == 400);
  }
  engine.resume();
  for (const auto& job : jobs) CHECK(wait_for(engine, *job)[0].ids.size() == 4);
}

TEST_CASE("completions share what memory there is, and all come to their end") {
  const std::shared_ptr<const CausalLm> model = tiny_model(6, 0.1);
  EngineLoop engine(model, kTokenizer, {.max_rows = 50, .max_cache_tokens = 64 * 5});
  std::vector<std::shared_ptr<Job>> jobs;
  for (std::uint64_t i = 0; i < 4; ++i) jobs.push_back(engine.submit(request_of(std::to_string(i), i, 7, 30)));
  std::int64_t most = 0;
  for (const auto& job : jobs) {
    most = std::max(most, engine.status().rows);
    CHECK(wait_for(engine, *job).back().ids.size() == 30);
  }
  CHECK(most <= 4);
}

TEST_CASE("an answer is of one version: what has begun ends with the old weights, what waits begins with the new ones") {
  const std::shared_ptr<const CausalLm> old = tiny_model(6, 0.1), fresh = tiny_model(7, 0.1);
  EngineLoop engine(old, kTokenizer, {.max_rows = 2});
  const auto before = engine.submit(request_of("a", 1, 6, 40));
  wait_until([&] { return engine.status().drawn_tokens > 0; });
  std::int64_t version = -1;
  std::thread updater([&] { version = engine.update(fresh, 17); });
  const auto first = wait_for(engine, *before);
  updater.join();
  CHECK(version == 17);
  const auto after = engine.submit(request_of("a", 1, 6, 40));
  const auto second = wait_for(engine, *after);
  CHECK(before->first_version() == 0);
  CHECK(before->last_version() == 0);
  CHECK(after->first_version() == 17);
  const auto alone = [&](const CausalLm& model) {
    return InProcessSampler(model, kTokenizer).generate(before->request().prompts, before->request().params).front().completions;
  };
  const auto with_old = alone(*old), with_fresh = alone(*fresh);
  for (std::size_t i = 0; i < 6; ++i) {
    CHECK(first[i].ids == with_old[i].ids);
    CHECK(second[i].ids == with_fresh[i].ids);  // and none of the old keys and values
  }
}

TEST_CASE("a pause keeps, awaits or aborts what runs") {
  const std::shared_ptr<const CausalLm> model = tiny_model(6, 0.1), fresh = tiny_model(7, 0.1);
  EngineLoop engine(model, kTokenizer, {});
  const auto kept = engine.submit(request_of("a", 1, 1, 80));
  wait_until([&] { return engine.status().drawn_tokens > 0; });
  engine.pause(PauseMode::keep);
  const auto drawn = engine.status().drawn_tokens;
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  CHECK(engine.status().drawn_tokens == drawn);
  CHECK(engine.update(fresh, {}) == 1);
  engine.resume();
  CHECK(wait_for(engine, *kept)[0].ids.size() == 80);
  CHECK(kept->first_version() == 0);
  CHECK(kept->last_version() == (drawn < 80 ? 1 : 0));

  const auto aborted = engine.submit(request_of("a", 1, 1, 80));
  wait_until([&] { return engine.status().drawn_tokens > 80; });
  engine.pause(PauseMode::abort);
  const auto rest = wait_for(engine, *aborted)[0];
  CHECK((rest.finish_reason == "abort" || rest.ids.size() == 80));
  CHECK(engine.status().running == 0);
}

TEST_CASE("logits that are not finite fail their requests, and the next weights serve again") {
  auto broken = tiny_model(6, 0.1);
  for (const Parameter& p : broken->parameters()) p.tensor.fill_(std::numeric_limits<float>::quiet_NaN());
  const std::shared_ptr<const CausalLm> bad = std::move(broken), good = tiny_model(6, 0.1);
  EngineLoop engine(bad, kTokenizer, {.max_rows = 2});
  const auto job = engine.submit(request_of("a", 1, 5, 10));
  CHECK_THROWS_WITH(wait_for(engine, *job), Catch::Contains("not finite"));
  std::ignore = engine.update(good, {});
  const auto next = engine.submit(request_of("a", 1, 5, 10));
  CHECK(wait_for(engine, *next)[4].ids.size() == 10);
}

TEST_CASE("a drain refuses what is new, ends what runs, and cuts short what takes too long") {
  const std::shared_ptr<const CausalLm> model = tiny_model(6, 0.1);
  EngineLoop patient(model, kTokenizer, {});
  const auto job = patient.submit(request_of("a", 1, 2, 60));
  patient.drain(std::chrono::seconds(30));
  CHECK(wait_for(patient, *job)[1].ids.size() == 60);
  CHECK_THROWS_AS(patient.submit(request_of("a", 1, 1, 4)), ApiError);

  EngineLoop hasty(model, kTokenizer, {.max_rows = 1});
  const auto cut = hasty.submit(request_of("a", 1, 500, 60));
  hasty.drain(std::chrono::milliseconds(0));
  CHECK(wait_for(hasty, *cut).back().finish_reason == "abort");
}
