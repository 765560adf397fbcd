#include "libgrpo/reward/canonical_math.hpp"

#include <catch2/catch.hpp>

namespace grpo {
namespace {

TEST_CASE("the canonical form of short answers") {
  // answer, canonical form
  const std::pair<const char*, const char*> cases[] = {
      {"72", "72"},
      {" 72\n", "72"},
      {"7 2", "72"},
      {"{72}", "72"},
      {"{ 72 }", "72"},
      {"(72)", "72"},
      {"( 7.5 )", "7.5"},
      {"{(3)}", "3"},
      {"(-3.0)", "-3"},
      {"(\\sqrt2)", "\\sqrt2"},
      {"-0", "0"},
      {"+0", "0"},
      {"3.0", "3"},
      {"-12.00", "-12"},
      {"0.0", "0"},
      {"3.10", "3.10"},
      {"3.", "3."},
      {".0", ".0"},
      {"-.0", "-.0"},
      {"+3.0", "+3.0"},
      {"3.0.0", "3.0.0"},
      {"1,000", "1,000"},
      {"1/2", "1/2"},
      {"(x)", "(x)"},
      {"(1/2)", "(1/2)"},
      {"(\\sqrt{2})", "(\\sqrt{2})"},
      {"{a}b{c}", "{a}b{c}"},
      {"{{3}}", "{{3}}"},
      {"((3))", "((3))"},
      {"(1 2)", "(12)"},
      {"{}", "{}"},
      {"()", "()"},
      {"( )", "()"},
      {"{", "{"},
      {"-0.0", "-0"},
      {"", ""},
      {"  ", ""},
      {"(srt)", "srt"},
      {"{ (3) }", "(3)"},
      {"a\tb", "a\tb"},
  };
  for (const auto& [answer, canonical] : cases) {
    INFO("answer \"" << answer << "\"");
    CHECK(canonical_math(answer) == canonical);
  }
}

TEST_CASE("answers are the same if their canonical forms are") {
  CHECK(same_math("(72)", " 72.0"));
  CHECK(same_math("-0", "0"));
  CHECK_FALSE(same_math("72", "7"));
  CHECK_FALSE(same_math("0.5", "1/2"));
  CHECK_FALSE(same_math("", "0"));
}

}  // namespace
}  // namespace grpo
