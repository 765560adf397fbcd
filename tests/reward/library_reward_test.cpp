// GRPO_TEST_PLUGIN_*: shared libraries that the build made, tests/CMakeLists.txt.
#include "libgrpo/base/error.hpp"
#include "tests/reward/scratch_programs.hpp"

namespace grpo {
namespace {

using Catch::Matchers::Contains;
using testing::group_with;

RewardSettings library_settings(const std::string& path, const std::string& args = "{}") {
  RewardSettings settings;
  settings.libraries = nlohmann::json{{"mine", path}}.dump();
  settings.args = args;
  settings.retries = 0;
  return settings;
}

std::string why(const RewardSettings& settings) {
  try {
    const RewardSet set({"mine"}, {}, settings);
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::recipe);
    return error.what();
  }
  return "nothing was thrown";
}

TEST_CASE("a reward out of a shared library: the example of the guide") {
  const auto score = [](const std::string& args) {
    return RewardSet({"mine"}, {}, library_settings(GRPO_TEST_PLUGIN_EXAMPLE, args))
        .score({group_with({"abcdefghij", "abcde"}), group_with({""})})
        .columns.at(0)
        .rewards;
  };
  const auto plain = score("{}");
  CHECK(plain[0].value() == 1.0);
  CHECK(plain[0].reason() == "10 tokens");
  CHECK(plain[2].kind() == Reward::Kind::not_applicable);
  const auto strict = score(R"({"mine": {"most": 5}})");
  CHECK(strict[0].value() == 0.5);
  CHECK(strict[1].value() == 1.0);
}

TEST_CASE("exceptions and long texts of a plugin, and what it is given") {
  const auto r = RewardSet({"mine"}, {}, library_settings(GRPO_TEST_PLUGIN_ODD))
                     .score({group_with({"throw", "seven", "long", "inf", "see", std::string("a\0b", 3)})})
                     .columns.at(0)
                     .rewards;
  CHECK(r[0].why() == "threw: no such planet");
  CHECK_THAT(r[1].why(), Contains("no std::exception"));
  CHECK(r[2].why() == std::string(511, 'x'));
  CHECK_THAT(r[3].why(), Contains("returned inf"));
  CHECK(r[4].reason() == "What is 70 + 2?|see|72|{\"level\":\"3\"}|3|1");
  CHECK(r[5].value() == 3.0);
}

TEST_CASE("a library that cannot be used is a mistake of the recipe, with its reason") {
  CHECK_THAT(why(library_settings("./no-such-library.so")),
             Contains("reward_library: mine = ./no-such-library.so") && Contains("No such file"));
  CHECK_THAT(why(library_settings("/etc/hostname")), Contains("/etc/hostname"));
  CHECK_THAT(why(library_settings("libm.so.6")), Contains("it has no grpo_reward_plugin()"));
  CHECK_THAT(why(library_settings(GRPO_TEST_PLUGIN_OLD)), Contains("version 0 of plugin.hpp, this is 1; build it again"));
  CHECK_THAT(why(library_settings(GRPO_TEST_PLUGIN_EXAMPLE, R"({"mine": {"most": 0}})")),
             Contains("does not take reward_args {\"most\":0}: most must be"));
}

}  // namespace
}  // namespace grpo
