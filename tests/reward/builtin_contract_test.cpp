#include "tests/contract/reward_contract.hpp"

#include <algorithm>
#include <set>

namespace grpo {
namespace {

TEST_CASE("every registered reward keeps the contract") {
  const std::vector<std::string> names = reward_names();
  REQUIRE(names.size() >= 4);
  for (const std::string& name : names) {
    DYNAMIC_SECTION(name) {
      const auto reward = make_reward(std::string_view(name));
      CHECK(reward->name() == name);
      contract::check_reward(*reward, {}, name != "length");  // which compares the completions of a group
    }
  }
}

TEST_CASE("every registered reward tells right from wrong somewhere in the kit") {
  // A reward that gives one value to everything would pass the contract.
  // Lengths, puzzles and shapes that the kit has no text for are tried in builtin_test.cpp.
  const std::set<std::string> elsewhere = {"soft_overlong_punishment",
                                           "length",
                                           "repetition_penalty",
                                           "cosine",
                                           "choice",
                                           "countdown",
                                           "graph_colouring",
                                           "tag_count",
                                           "reasoning_steps",
                                           "python_unit_tests",
                                           "stdin_stdout"};
  for (const std::string& name : reward_names()) {
    if (elsewhere.count(name) > 0) continue;
    INFO(name);
    const auto rewards = make_reward(std::string_view(name))->score(contract::detail::group_of(contract::detail::hostile_texts(), "72"));
    const auto is = [&](double value) {
      return std::any_of(rewards.begin(), rewards.end(), [&](const Reward& r) { return r.has_value() && r.value() == value; });
    };
    CHECK(is(0.0));
    CHECK(is(1.0));
  }
}

}  // namespace
}  // namespace grpo
