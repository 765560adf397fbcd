#include "libgrpo/sampler/continuous_batch.hpp"

#include "tests/support/tensors.hpp"
#include "tests/support/tiny_model.hpp"

#include <catch2/catch.hpp>

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
  for (const Prompt& prompt : prompts) groups.push_back({prompt, std::vector<Completion>(static_cast<std::size_t>(params.num_generations))});
  return groups;
}

std::vector<Prompt> prompts() {
  std::vector<Prompt> all;
  for (std::uint64_t i = 0; i < 5; ++i) all.push_back(make_prompt(i, "the same start: " + std::string(1 + i % 3, static_cast<char>('a' + i))));
  all.push_back(make_prompt(9, "another beginning"));
  return all;
}

SamplingParams short_params() {
  SamplingParams params;
  params.num_generations = 4;
  params.max_completion_length = 60;
  return params;
}

}  // namespace

TEST_CASE("completions are the same to the last bit however many grow at once") {
  const auto model = tiny_model(6, 0.1);  // end tokens turn up, so rows leave at different times
  const ByteTokenizer tokenizer;
  const SamplingParams params = short_params();
  auto all = empty_groups(prompts(), params);
  ContinuousBatch(*model, tokenizer, params, all, 1000).run();
  std::size_t shortest = 1000, longest = 0;
  for (const std::int64_t rows : {1, 3, 5, 17}) {
    auto some = empty_groups(prompts(), params);
    ContinuousBatch(*model, tokenizer, params, some, rows).run();
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

TEST_CASE("at most max_rows grow at once, and waiting ones enter in order") {
  const auto model = tiny_model(6, 0.1);
  const ByteTokenizer tokenizer;
  SamplingParams params = short_params();
  params.min_completion_length = params.max_completion_length = 6;
  std::vector<std::array<std::size_t, 2>> order;
  params.on_token = [&](std::size_t group, std::size_t sample, std::int32_t) { order.push_back({group, sample}); };
  auto groups = empty_groups(prompts(), params);
  ContinuousBatch(*model, tokenizer, params, groups, 5).run();
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
  ContinuousBatch batch(*model, tokenizer, params, groups, 4);
  batch.run();
  CHECK(batch.pages() <= 4 + 5);  // one page a row; prompts of those rows and of one that enters
}
