#include "libgrpo/base/check.hpp"
#include "libgrpo/base/error.hpp"
#include "libgrpo/base/log.hpp"

#include <catch2/catch.hpp>
#include <set>
#include <string>

using namespace grpo;

TEST_CASE("exit codes are the documented ones") {
  CHECK(exit_code(ErrorKind::recipe) == 2);
  CHECK(exit_code(ErrorKind::data) == 3);
  CHECK(exit_code(ErrorKind::backend) == 4);
  CHECK(exit_code(ErrorKind::numeric) == 5);
  CHECK(kExitStoppedBySignal == 75);
}

TEST_CASE("a failed check says where, why and what, with both operands") {
  const int a = 3, b = 4;
  CHECK_THROWS_WITH([&] { GRPO_CHECK_EQ(a, b, "one thing per other"); }(),
                    Catch::Contains("error_test.cpp") && Catch::Contains("one thing per other") && Catch::Contains("(3 vs 4)"));
  CHECK_NOTHROW([&] { GRPO_CHECK(a < b, "order"); }());
}

TEST_CASE("a log without a sink drops, one with a sink delivers level and text") {
  Log().warning("nobody hears this");
  std::string heard;
  const Log log([&](LogLevel level, std::string_view text) { heard = (level == LogLevel::warning ? "W:" : "I:") + std::string(text); });
  log.warning("x");
  CHECK(heard == "W:x");
  log.info("y");
  CHECK(heard == "I:y");
}
