#include "tests/contract/reward_contract.hpp"

#include <algorithm>

namespace grpo {
namespace {

TEST_CASE("every registered reward keeps the contract") {
  const std::vector<std::string> names = reward_names();
  REQUIRE(names.size() >= 4);
  for (const std::string& name : names) {
    DYNAMIC_SECTION(name) {
      const auto reward = make_reward(std::string_view(name));
      CHECK(reward->name() == name);
      contract::check_reward(*reward);
    }
  }
}

TEST_CASE("every registered reward tells right from wrong somewhere in the kit") {
  // A reward that gives one value to everything would pass the contract.
  for (const std::string& name : reward_names()) {
    if (name == "soft_overlong_punishment") continue;  // it looks at lengths, never at texts
    INFO(name);
    const auto rewards =
        make_reward(std::string_view(name))->score(contract::detail::group_of(contract::detail::hostile_texts(), "72"));
    const auto is = [&](double value) {
      return std::any_of(rewards.begin(), rewards.end(),
                         [&](const Reward& r) { return r.has_value() && r.value() == value; });
    };
    CHECK(is(0.0));
    CHECK(is(1.0));
  }
}

}  // namespace
}  // namespace grpo
