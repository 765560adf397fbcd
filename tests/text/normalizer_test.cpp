#include "libgrpo/text/normalizer.hpp"

#include <catch2/catch.hpp>

using grpo::to_nfc;

TEST_CASE("NFC composes, orders marks and respects blocking", "[normalizer]") {
  CHECK(to_nfc("") == "");
  CHECK(to_nfc("e\u0301") == "\u00e9");
  CHECK(to_nfc("\u212b") == "\u00c5");                // a singleton
  CHECK(to_nfc("q\u0307\u0323") == "q\u0323\u0307");  // marks change places
  CHECK(to_nfc("a\u0305\u0301") == "a\u0305\u0301");  // a mark of the same class blocks
  CHECK(to_nfc("a\u0323\u0301") == "\u1ea1\u0301");   // one of a lower class does not
  CHECK(to_nfc("\u1100\u1161\u11a8") == "\uac01");    // Hangul, all three
  CHECK(to_nfc("\uac00\u11a8") == "\uac01");          // Hangul, syllable and tail
  CHECK(to_nfc("\uac00\u11a7") == "\uac00\u11a7");    // U+11A7 is no tail
  CHECK(to_nfc("\u0958") == "\u0915\u093c");          // excluded from composition
  CHECK(to_nfc("\u0301e\u0301") == "\u0301\u00e9");   // a mark without a base
  CHECK(to_nfc("\U0001d15e") == "\U0001d157\U0001d165");
}

TEST_CASE("normalising twice changes nothing", "[normalizer]") {
  for (const std::string text : {"\u1e9b\u0323", "\u0344\u0345", "\u09c7\u09be\u09d7", "\u0f73\u0f71", "\ufb1d\ufb2c"}) {
    CHECK(to_nfc(to_nfc(text)) == to_nfc(text));
  }
}

TEST_CASE("steps apply in order", "[normalizer]") {
  grpo::Normalizer normalizer;
  CHECK(normalizer.empty());
  normalizer.add_replace(grpo::SplitPattern("b+"), "<>");
  normalizer.add_prepend("_");
  CHECK(normalizer.apply("abbbcb") == "_a<>c<>");
  CHECK(normalizer.apply("") == "");
}
