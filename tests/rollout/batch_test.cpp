#include "libgrpo/rollout/batch.hpp"

#include "libgrpo/base/error.hpp"
#include "tests/support/tiny_model.hpp"

#include <catch2/catch.hpp>
#include <set>

using namespace grpo;
using grpo::testing::make_prompt;

namespace {

Group make_group(std::uint64_t id, const std::string& prompt, const std::vector<std::string>& answers) {
  Group group{make_prompt(id, prompt), {}};
  for (const auto& answer : answers) {
    Completion c;
    c.ids = grpo::testing::ByteTokenizer().encode(answer);
    c.log_probs.assign(c.ids.size(), -0.5F * static_cast<float>(answer.size()));
    group.completions.push_back(c);
  }
  return group;
}

std::vector<Group> groups() {
  return {make_group(1, "system: one?", {"a", "bcd", "ef"}), make_group(2, "system: two?", {"ghij", "k"}),
          make_group(3, "other", {"lm", "nopqrst"})};
}

/// What the model reads for token t of a part: the ids of its row's ancestors and its own row, root first.
std::vector<std::int64_t> context_of(const Part& part, std::int64_t row) {
  const auto* ids = part.ids.const_data_ptr<std::int64_t>();
  for (std::size_t s = 0; s < part.tree.segments.size(); ++s) {
    const Segment& segment = part.tree.segments[s];
    if (row < segment.begin || row >= segment.begin + segment.length) continue;
    std::vector<std::int64_t> context;
    for (const Segment& above : part.tree.path(segment.parent))
      context.insert(context.end(), ids + above.begin, ids + above.begin + above.length);
    context.insert(context.end(), ids + segment.begin, ids + row + 1);
    return context;
  }
  return {};
}

}  // namespace

TEST_CASE("every token of every completion is scored once, behind exactly its own text, whatever the budget") {
  const auto all = groups();
  const Batch batch(all);
  const auto budget = GENERATE(1, 8, 20, 1000);
  std::set<std::int64_t> seen;
  for (const Part& part : batch.parts(budget)) {
    for (std::int64_t i = 0; i < part.targets.size(0); ++i) {
      const auto token = part.tokens[i].item<std::int64_t>();
      CHECK(seen.insert(token).second);
      const auto c = batch.completion_of()[token].item<std::int64_t>();
      // Rebuild the text in front of the token from the groups and compare.
      std::size_t index = 0, g = 0;
      auto left = static_cast<std::size_t>(c);
      while (left >= all[g].completions.size()) left -= all[g++].completions.size();
      const auto& ids = all[g].completions[left].ids;
      std::int64_t first = 0;
      for (std::int64_t k = 0; k < c; ++k) first += batch.length(k);
      index = static_cast<std::size_t>(token - first);
      std::vector<std::int64_t> expected(all[g].prompt.ids.begin(), all[g].prompt.ids.end());
      expected.insert(expected.end(), ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(index));
      const auto row = part.source[i].item<std::int64_t>();
      CHECK(context_of(part, row) == expected);
      CHECK(part.positions[row].item<std::int64_t>() + 1 == static_cast<std::int64_t>(expected.size()));
      CHECK(part.targets[i].item<std::int64_t>() == ids[index]);
    }
  }
  CHECK(static_cast<std::int64_t>(seen.size()) == batch.num_tokens());
}

TEST_CASE("a shared beginning is packed once, and parts respect the budget") {
  const Batch batch(groups());
  const auto whole = batch.parts(1000);
  REQUIRE(whole.size() == 1);
  // "other" shares nothing, so no root; each prompt once (12 + 12 + 5), completions without their last token (0+2+1+3+0+1+6).
  CHECK(whole[0].tree.rows == 42);
  const Batch two({groups()[0], groups()[1]});
  CHECK(two.parts(1000)[0].tree.rows == 8 + 4 + 4 + 6);  // "system: " once
  for (const Part& part : batch.parts(20)) CHECK(part.tree.rows <= 20);
}

TEST_CASE("inactive completions are not packed") {
  const Batch batch(groups());
  const auto parts = batch.parts(1000, {false, true, false, false, false, false, false});
  REQUIRE(parts.size() == 1);
  CHECK(parts[0].targets.size(0) == 3);
  CHECK(batch.parts(1000, std::vector<bool>(7, false)).empty());
}

TEST_CASE("prompts for prefill share their beginning, and equal prompts keep a token of their own") {
  const auto packed = pack_prompts({{1, 2, 3, 4, 5, 6}, {1, 2, 3, 4, 5, 6}, {1, 2, 3, 4, 5, 7, 8}});
  CHECK(packed.tree.rows == 5 + 1 + 1 + 2);
  CHECK(packed.positions[packed.last_row[2]].item<std::int64_t>() == 6);
}

TEST_CASE("a batch refuses what cannot be scored") {
  auto bad = groups();
  bad[0].completions[0].ids.clear();
  bad[0].completions[0].log_probs.clear();
  CHECK_THROWS_AS(Batch(bad), Error);
  bad = groups();
  bad[1].completions[0].log_probs.pop_back();
  CHECK_THROWS_WITH(Batch(bad), Catch::Contains("4 vs 3"));
}
