#include "libgrpo/base/utf8.hpp"

#include <catch2/catch.hpp>

using namespace grpo;

TEST_CASE("every code point survives, every surrogate and overlong form does not", "[utf8]") {
  for (char32_t c = 0; c < 0x110000; ++c) {
    std::string text;
    append_utf8(text, c);
    const Utf8Step step = utf8_step(text, 0);
    const bool surrogate = c >= 0xD800 && c <= 0xDFFF;
    REQUIRE(step.valid != surrogate);
    REQUIRE(is_utf8(text) != surrogate);
    if (!surrogate) REQUIRE((step.code_point == c && step.length == text.size()));
  }
  for (const std::string text : {"\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF8", "\x80"}) {
    CHECK_FALSE(is_utf8(text));
  }
}

TEST_CASE("each maximal ill-formed part becomes one U+FFFD", "[utf8]") {
  const std::string r = "\xEF\xBF\xBD";
  CHECK(replace_invalid_utf8("") == "");
  CHECK(replace_invalid_utf8("plain and \xC3\xA9") == "plain and \xC3\xA9");
  CHECK(replace_invalid_utf8("a\xE2\x82z") == "a" + r + "z");
  CHECK(replace_invalid_utf8("\xF0\x9F\x98") == r);
  CHECK(replace_invalid_utf8("\xED\xA0\x80") == r + r + r);
  CHECK(replace_invalid_utf8("\xC3\xC3\xA9") == r + "\xC3\xA9");
  CHECK(replace_invalid_utf8("12345678\xFF"
                             "9") == "12345678" + r + "9");
}

TEST_CASE("only a tail that can still be completed is held back", "[utf8]") {
  CHECK(incomplete_utf8_tail("") == 0);
  CHECK(incomplete_utf8_tail("abc") == 0);
  CHECK(incomplete_utf8_tail("\xC3") == 1);
  CHECK(incomplete_utf8_tail("a\xE2\x82") == 2);
  CHECK(incomplete_utf8_tail("\xF0\x9F\x98") == 3);
  CHECK(incomplete_utf8_tail("\xF0\x9F\x98\x80") == 0);
  CHECK(incomplete_utf8_tail("\xED\xA0") == 0);  // a surrogate can never be whole
  CHECK(incomplete_utf8_tail("\x80\x80\x80\x80") == 0);
  CHECK(incomplete_utf8_tail("\xFF") == 0);
}
