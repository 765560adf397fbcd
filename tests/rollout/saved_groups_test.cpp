#include "libgrpo/rollout/saved_groups.hpp"

#include "libgrpo/base/error.hpp"
#include "tests/support/groups.hpp"

#include <catch2/catch.hpp>

using namespace grpo;

namespace {

RewardTable columns() {
  RewardTable table;
  table.columns = {{"a", 1.0, {}, 0.0}, {"b", 0.5, {}, 0.0}};
  return table;
}

SavedGroups read_all(const std::string& text) {
  SavedGroupsReader reader(columns(), 300, 40);
  std::size_t begin = 0;
  for (std::size_t end = text.find('\n'); end != std::string::npos; begin = end + 1, end = text.find('\n', begin))
    reader.read(std::string_view(text).substr(begin, end - begin));
  return reader.saved();
}

std::string why(const std::vector<std::string>& lines) {
  SavedGroupsReader reader(columns(), 300, 40);
  try {
    for (const std::string& line : lines) reader.read(line);
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::data);
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("groups read back exactly as they were written") {
  SavedGroups saved{grpo::testing::make_groups({3, 2}), columns(), {0.1, -0.2, 1.0 / 3, 0, 1}, {}, {}};
  saved.rewards.columns[0].rewards = {Reward::of(1.0 / 3), Reward::not_applicable(), Reward::failed("crashed: \"x\""), Reward::of(1),
                                      Reward::of(-0.0)};
  saved.rewards.columns[1].rewards.assign(5, Reward::of(0.1));
  saved.rewards.modes = {"7", "", "7", "8", ""};
  float value = -0.1F;
  for (Group& group : saved.groups)
    for (Completion& c : group.completions)
      for (float& lp : c.log_probs) lp = value *= 1.1F;
  for (int i = 0; i < 9; ++i) saved.ref_log_probs.push_back(-1.0F / static_cast<float>(i + 3));
  for (int i = 0; i < 9; ++i) saved.old_log_probs.push_back(-1.0F / static_cast<float>(i + 7));
  saved.groups[1].completions[0].finish = FinishReason::length;
  saved.groups[0].completions[1].text = "bytes \xff and \"quotes\"";
  const SavedGroups read = read_all(to_json_lines(saved, 12));
  REQUIRE(read.groups.size() == 2);
  for (std::size_t g = 0; g < 2; ++g) {
    CHECK(read.groups[g].prompt.ids == saved.groups[g].prompt.ids);
    CHECK(read.groups[g].prompt.id == saved.groups[g].prompt.id);
    for (std::size_t i = 0; i < saved.groups[g].completions.size(); ++i) {
      const Completion &a = saved.groups[g].completions[i], &b = read.groups[g].completions[i];
      CHECK(a.ids == b.ids);
      CHECK(a.log_probs == b.log_probs);
      CHECK(a.entropies == b.entropies);
      CHECK(a.finish == b.finish);
    }
  }
  CHECK(read.ref_log_probs == saved.ref_log_probs);
  CHECK(read.old_log_probs == saved.old_log_probs);
  CHECK(read.rewards.modes == saved.rewards.modes);
  for (std::size_t c = 0; c < 2; ++c)
    for (std::size_t i = 0; i < 5; ++i) {
      CHECK(read.rewards.columns[c].rewards[i].kind() == saved.rewards.columns[c].rewards[i].kind());
      CHECK(read.rewards.columns[c].rewards[i].value() == saved.rewards.columns[c].rewards[i].value());
      CHECK(read.rewards.columns[c].rewards[i].why() == saved.rewards.columns[c].rewards[i].why());
    }
}

TEST_CASE("the least a line may hold") {
  SavedGroupsReader reader(columns(), 300, 40);
  reader.read(R"({"prompt_ids": [1], "completions": [{"ids": [2, 3], "rewards": {"a": 1}}]})");
  CHECK_FALSE(reader.has_old_log_probs());
  CHECK(reader.saved().groups[0].completions[0].log_probs == std::vector<float>{0, 0});
  CHECK(reader.saved().rewards.columns[1].rewards[0].kind() == Reward::Kind::not_applicable);
}

TEST_CASE("a bad line says what is wrong") {
  using Catch::Matchers::Contains;
  CHECK_THAT(why({"{"}), Contains("JSON object"));
  CHECK_THAT(why({"[1]"}), Contains("JSON object"));
  CHECK_THAT(why({R"({"prompt_ids": [], "completions": []})"}), Contains("prompt_ids"));
  CHECK_THAT(why({R"({"prompt_ids": [300], "completions": []})"}), Contains("prompt_ids[0]") && Contains("299"));
  CHECK_THAT(why({R"({"prompt_ids": [-1], "completions": []})"}), Contains("prompt_ids[0]"));
  CHECK_THAT(why({R"({"prompt_ids": [1], "completions": []})"}), Contains("completions"));
  CHECK_THAT(why({R"({"prompt_ids": [1], "completions": [{"ids": [2.5], "rewards": {}}]})"}), Contains("ids[0]"));
  CHECK_THAT(why({R"({"prompt_ids": [1], "completions": [{"ids": [2]}]})"}), Contains("rewards"));
  CHECK_THAT(why({R"({"prompt_ids": [1], "completions": [{"ids": [2], "rewards": {"a": "x"}}]})"}), Contains("\"a\""));
  CHECK_THAT(why({R"({"prompt_ids": [1], "completions": [{"ids": [2], "rewards": {"c": 1}}]})"}),
             Contains("\"c\"") && Contains("reward_funcs"));
  CHECK_THAT(why({R"({"prompt_ids": [1], "completions": [{"ids": [2], "rewards": {}, "old_logprobs": [1, 2]}]})"}),
             Contains("old_logprobs"));
  CHECK_THAT(why({R"({"prompt_ids": [1], "completions": [{"ids": [2], "rewards": {}, "ref_logprobs": [null]}]})"}),
             Contains("ref_logprobs[0]"));
  CHECK_THAT(
      why({R"({"prompt_ids": [1], "completions": [{"ids": [2], "rewards": {}, "old_logprobs": [1]}, {"ids": [2], "rewards": {}}]})"}),
      Contains("old_logprobs") && Contains("some"));
  std::string many = "1";
  for (int i = 0; i < 40; ++i) many += ", 1";
  CHECK_THAT(why({R"({"prompt_ids": [1], "completions": [{"ids": [)" + many + R"(], "rewards": {}}]})"}), Contains("context of 40"));
}
