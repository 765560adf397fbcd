#include "libgrpo/sampler/continuous_batch.hpp"

#include "tests/support/tensors.hpp"
#include "tests/support/tiny_model.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <map>
#include <string>

using namespace grpo;
using grpo::testing::ByteTokenizer;
using grpo::testing::make_prompt;
using grpo::testing::tiny_model;

namespace {

std::vector<Group> empty_groups(const std::vector<Prompt>& prompts, const SamplingParams& params) {
  std::vector<Group> groups;
  for (const Prompt& prompt : prompts)
    groups.push_back({prompt, std::vector<Completion>(static_cast<std::size_t>(params.num_generations))});
  return groups;
}

std::vector<Prompt> prompts() {
  std::vector<Prompt> all;
  for (std::uint64_t i = 0; i < 5; ++i)
    all.push_back(make_prompt(i, "the same start: " + std::string(1 + i % 3, static_cast<char>('a' + i))));
  all.push_back(make_prompt(9, "another beginning"));
  return all;
}

SamplingParams short_params() {
  SamplingParams params;
  params.num_generations = 4;
  params.max_completion_length = 60;
  return params;
}

void run_alone(const CausalLm& model, const Tokenizer& tokenizer, const SamplingParams& params, std::vector<Group>& groups,
               std::int64_t rows) {
  Wave wave(groups, params);
  ContinuousBatch(model, tokenizer, rows).run(wave);
}

}  // namespace

TEST_CASE("completions are the same to the last bit however many grow at once") {
  const auto model = tiny_model(6, 0.1);  // end tokens turn up, so rows leave at different times
  const ByteTokenizer tokenizer;
  const SamplingParams params = short_params();
  auto all = empty_groups(prompts(), params);
  run_alone(*model, tokenizer, params, all, 1000);
  std::size_t shortest = 1000, longest = 0;
  for (const std::int64_t rows : {1, 3, 5, 17}) {
    auto some = empty_groups(prompts(), params);
    run_alone(*model, tokenizer, params, some, rows);
    for (std::size_t g = 0; g < all.size(); ++g)
      for (std::size_t i = 0; i < 4; ++i) {
        const Completion &a = all[g].completions[i], &b = some[g].completions[i];
        CHECK(a.ids == b.ids);
        CHECK(a.log_probs == b.log_probs);
        CHECK(a.entropies == b.entropies);
        CHECK(a.finish == b.finish);
        shortest = std::min(shortest, a.ids.size());
        longest = std::max(longest, a.ids.size());
      }
  }
  CHECK(shortest + 10 < longest);
}

TEST_CASE("prompts with a beginning in common draw what each of them draws alone") {
  const auto model = tiny_model(6, 0.1);
  const ByteTokenizer tokenizer;
  const SamplingParams params = short_params();
  auto alike = prompts();
  alike.pop_back();  // what is left all begins alike
  auto together = empty_groups(alike, params);
  run_alone(*model, tokenizer, params, together, 1000);
  for (std::size_t g = 0; g < together.size(); ++g) {
    auto alone = empty_groups({alike[g]}, params);
    run_alone(*model, tokenizer, params, alone, 1000);
    for (std::size_t i = 0; i < 4; ++i) {
      CHECK(alone[0].completions[i].ids == together[g].completions[i].ids);
      CHECK(alone[0].completions[i].log_probs == together[g].completions[i].log_probs);
    }
  }
}

TEST_CASE("at most max_rows grow at once, and waiting ones enter in order") {
  const auto model = tiny_model(6, 0.1);
  const ByteTokenizer tokenizer;
  SamplingParams params = short_params();
  params.min_completion_length = params.max_completion_length = 6;
  std::vector<std::array<std::size_t, 2>> order;
  params.on_token = [&](std::size_t group, std::size_t sample, std::int32_t) { order.push_back({group, sample}); };
  auto groups = empty_groups(prompts(), params);
  run_alone(*model, tokenizer, params, groups, 5);
  REQUIRE(order.size() == 6 * 4 * 6);
  std::map<std::size_t, int> left;
  std::size_t alive = 0, next = 0, most = 0;
  for (const auto& [group, sample] : order) {
    const std::size_t row = group * 4 + sample;
    if (left.count(row) == 0) {
      CHECK(row == next++);
      left[row] = 6;
      most = std::max(most, ++alive);
    }
    if (--left[row] == 0) --alive;
  }
  CHECK(most == 5);
}

TEST_CASE("a place that becomes free is taken at once, and finished prompts give their pages back") {
  const auto model = tiny_model(6, 0.1);
  const ByteTokenizer tokenizer;
  SamplingParams params = short_params();
  std::vector<Prompt> many;
  for (std::uint64_t i = 0; i < 30; ++i) many.push_back(make_prompt(i, std::string(20, static_cast<char>('A' + i))));
  auto groups = empty_groups(many, params);
  Wave wave(groups, params);
  ContinuousBatch batch(*model, tokenizer, 4);
  batch.run(wave);
  CHECK(batch.pages() <= 4 + 5);  // one page a row; prompts of those rows and of one that enters
}

TEST_CASE("waves with parameters of their own, entering while others grow, are the same to the last bit as each alone") {
  const auto model = tiny_model(6, 0.1);
  const ByteTokenizer tokenizer;
  std::vector<SamplingParams> params(4, short_params());
  for (std::size_t w = 0; w < params.size(); ++w) {
    params[w].seed = 7 + w;
    params[w].temperature = 0.6 + 0.2 * static_cast<double>(w);
    params[w].num_generations = 1 + static_cast<std::int64_t>(w);
  }
  // Prompts that begin alike, longer than a page: with the cache, later waves take what the first one computed.
  std::vector<std::vector<Prompt>> asked;
  for (std::uint64_t w = 0; w < 4; ++w)
    asked.push_back({make_prompt(w, std::string(30, 'x') + std::string(36, static_cast<char>('a' + w % 2))), make_prompt(50 + w, "short")});
  for (const std::int64_t prefix_tokens : {0, 1000}) {
    ContinuousBatch batch(*model, tokenizer, 9, prefix_tokens);
    std::vector<std::vector<Group>> together;
    std::vector<std::unique_ptr<Wave>> waves;
    for (std::size_t w = 0; w < 4; ++w) together.push_back(empty_groups(asked[w], params[w]));
    for (std::size_t w = 0; w < 4; ++w) waves.push_back(std::make_unique<Wave>(together[w], params[w]));
    for (std::size_t step = 0; !std::all_of(waves.begin(), waves.end(), [](const auto& w) { return w->done(); }); ++step) {
      for (std::size_t w = 0; w < 4; ++w)
        while (step >= 5 * w && waves[w]->waiting() && !batch.full()) batch.enter(*waves[w]);
      batch.step();
    }
    for (std::size_t w = 0; w < 4; ++w) {
      auto alone = empty_groups(asked[w], params[w]);
      run_alone(*model, tokenizer, params[w], alone, 100);
      for (std::size_t g = 0; g < alone.size(); ++g)
        for (std::size_t i = 0; i < alone[g].completions.size(); ++i) {
          CHECK(alone[g].completions[i].ids == together[w][g].completions[i].ids);
          CHECK(alone[g].completions[i].log_probs == together[w][g].completions[i].log_probs);
        }
    }
    CHECK((batch.prefix_cache().found() > 100) == (prefix_tokens > 0));
  }
}

TEST_CASE("a wave that is taken out leaves the others as they were") {
  const auto model = tiny_model(6, 0.1);
  const ByteTokenizer tokenizer;
  SamplingParams params = short_params();
  params.min_completion_length = params.max_completion_length = 20;
  auto alone = empty_groups(prompts(), params), beside = alone, gone = alone;
  run_alone(*model, tokenizer, params, alone, 100);
  Wave wave(beside, params), leaving(gone, params);
  ContinuousBatch batch(*model, tokenizer, 100);
  for (int step = 0; !wave.done(); ++step) {
    while (step < 2 && leaving.waiting() && !batch.full()) batch.enter(leaving);
    while (step < 2 && wave.waiting() && !batch.full()) batch.enter(wave);
    batch.step();
    if (step == 4) batch.remove(leaving);
  }
  CHECK(batch.rows() == 0);
  CHECK(gone[0].completions[0].ids.size() == 5);
  for (std::size_t g = 0; g < alone.size(); ++g)
    for (std::size_t i = 0; i < 4; ++i) CHECK(alone[g].completions[i].ids == beside[g].completions[i].ids);
}

TEST_CASE("a biased logit is drawn or never drawn, and alternatives are the likeliest tokens with their log-probs") {
  const auto model = tiny_model(6, 0.1);
  const ByteTokenizer tokenizer;
  SamplingParams params = short_params();
  params.min_completion_length = params.max_completion_length = 8;
  auto groups = empty_groups(prompts(), params);
  WaveOptions options;
  options.logit_bias = {{65, 100.0F}};
  options.top_log_probs = 3;
  Wave wave(groups, params, options);
  ContinuousBatch(*model, tokenizer, 100).run(wave);
  for (const Group& group : groups)
    for (const Completion& c : group.completions) CHECK(c.ids == std::vector<std::int32_t>(8, 65));
  const auto& beside = wave.alternatives(0, 0);
  REQUIRE(beside.size() == 8);
  for (std::size_t t = 0; t < 8; ++t) {
    REQUIRE(beside[t].size() == 3);
    CHECK(beside[t][0].id == 65);
    CHECK(beside[t][0].log_prob == groups[0].completions[0].log_probs[t]);
    CHECK(beside[t][0].log_prob > beside[t][1].log_prob);
    CHECK(beside[t][1].log_prob >= beside[t][2].log_prob);
  }
}
