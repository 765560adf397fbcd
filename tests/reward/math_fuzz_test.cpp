#include "libgrpo/base/clock.hpp"
#include "libgrpo/base/random.hpp"
#include "libgrpo/reward/math_verify.hpp"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <string>
#include <vector>

namespace grpo {
namespace {

std::string repeated(const std::string& part, std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text += part;
  return text;
}

std::vector<std::string> hostile() {
  std::string every_byte;
  for (int byte = 0; byte < 256; ++byte) every_byte += static_cast<char>(byte);
  std::vector<std::string> texts = {
      every_byte,
      "9^9^9^9",
      "9^{9^{9^{9}}}",
      "9^{9^9}",
      "2^{-99999999}",
      "(9^{99})^{(9^{99})}",
      "(1+x+y+z)^{60}",
      "(1+\\sqrt{2}+\\sqrt{3}+\\sqrt{5}+\\sqrt{7})^{64}",
      "((((((x+1)^{9}+1)^{9}+1)^{9}+1)^{9}+1)^{9}+1)^{9}",
      "170!!!",
      "170!^{170!}",
      "1/0",
      "0^0",
      "0^{-1}",
      "\\frac{1}{\\frac{1}{0}}",
      "\\sqrt[0]{2}",
      "\\sqrt[1000000]{2}",
      "\\sqrt{\\sqrt{\\sqrt{\\sqrt{\\sqrt{2}}}}}",
      "1e999999999",
      "1e-999999999",
      "0." + repeated("3", 3000),
      repeated("9", 550) + "/" + repeated("7", 550),
      "(" + repeated("9", 550) + ")^{1/2}",
      "\\sqrt{" + repeated("123456789", 60) + "}",
      "\\ln " + repeated("9", 500),
      "\\tan\\frac{\\pi}{2}",
      repeated("\\sin ", 30) + "x",
      repeated("\\sin", 500) + "x",
      "x^{" + repeated("x^", 30) + "x}",
      repeated("1,", 290) + "1",
      "\\{" + repeated("\\ln 2,", 39) + "\\ln 3\\}",
      repeated("1+", 299) + "1",
      repeated("x\\pm", 150) + "x",
      repeated("\\pm", 500) + "1",
      repeated("-", 3000) + "1",
      repeated("|", 3000),
      repeated("!", 3000),
      "1" + repeated("!", 500),
      repeated("\\text{", 600),
      repeated("\\begin{pmatrix}", 200),
      "\\begin{pmatrix}" + repeated("1&", 290) + "1\\end{pmatrix}",
  };
  // Each at the two sizes that matter: within the limit of 4096 bytes, where it is read, and far beyond.
  for (const char* part :
       {"{", "}", "(", "[", "\\{", "\\frac{", "\\sqrt", "\\left(", "^{", "_", "9", ".", ",", "<", "=", "\\boxed{", "\\", "$", "\\text"}) {
    texts.push_back(repeated(part, 4000 / std::string(part).size()));
    texts.push_back(repeated(part, 100000 / std::string(part).size()));
  }
  for (const auto& [open, close] :
       std::vector<std::pair<std::string, std::string>>{{"{", "}"}, {"(", ")"}, {"\\frac{1}{", "}"}, {"\\sqrt{", "}"}, {"x^{", "}"}}) {
    for (const std::size_t depth : {12U, 25U, 150U, 12000U}) texts.push_back(repeated(open, depth) + "2" + repeated(close, depth));
  }
  return texts;
}

// The best of five, so that the machine's other work does not count.
double milliseconds(const std::string& gold, const std::string& answer) {
  double best = 1e9;
  for (int i = 0; i < 5; ++i) {
    const Stopwatch clock;
    compare_math(gold, answer);
    best = std::min(best, clock.seconds() * 1e3);
    if (best < 1.0) break;
  }
  return best;
}

TEST_CASE("hostile answers end within 5 ms, whatever they are compared with") {
#ifdef NDEBUG
  constexpr double kBound = 5.0;
#else
  constexpr double kBound = 100.0;
#endif
  const std::vector<std::string> texts = hostile();
  double worst = 0;
  std::string slowest;
  const auto take = [&](const std::string& gold, const std::string& answer) {
    const double time = milliseconds(gold, answer);
    if (time <= worst) return;
    worst = time;
    slowest = gold.substr(0, 60) + " with " + answer.substr(0, 60);
  };
  for (const std::string& text : texts) {
    take("72", text);
    take(text, "\\frac{1}{\\sqrt{2}}+\\ln x");
    take(text, text + " ");
  }
  for (std::size_t i = 0; i < 41; ++i) {
    for (std::size_t j = 0; j < 41; ++j) take(texts[i], texts[j]);
  }
  INFO(slowest << " took " << worst << " ms");
  if (std::getenv("GRPO_SHOW_TIMES") != nullptr) WARN(slowest << " took " << worst << " ms");
  CHECK(worst < kBound * 4);  // 5 ms alone on a machine; four times that in company
}

TEST_CASE("finding an answer in 100 kB of anything is linear") {
  for (const std::string& text : hostile()) {
    const Stopwatch clock;
    find_math_answer(repeated(text.substr(0, 5000), 20));
    CHECK(clock.seconds() < 0.1);
  }
}

constexpr std::array<const char*, 84> kPieces = {"0",
                                                 "1",
                                                 "2",
                                                 "3",
                                                 "10",
                                                 "72",
                                                 "0.5",
                                                 ".25",
                                                 "1,000",
                                                 "x",
                                                 "y",
                                                 "i",
                                                 "e",
                                                 "a_1",
                                                 "\\pi",
                                                 "\\alpha",
                                                 "+",
                                                 "-",
                                                 "*",
                                                 "/",
                                                 "^",
                                                 "_",
                                                 "(",
                                                 ")",
                                                 "[",
                                                 "]",
                                                 "{",
                                                 "}",
                                                 "|",
                                                 ",",
                                                 ";",
                                                 "=",
                                                 "<",
                                                 ">",
                                                 "!",
                                                 "%",
                                                 "&",
                                                 "$",
                                                 "\\$",
                                                 "\\%",
                                                 "\\{",
                                                 "\\}",
                                                 " ",
                                                 "\\,",
                                                 "\\\\",
                                                 "\\frac",
                                                 "\\dfrac{1}{2}",
                                                 "\\sqrt",
                                                 "\\sqrt[3]",
                                                 "\\left(",
                                                 "\\right)",
                                                 "\\left[",
                                                 "\\cdot",
                                                 "\\times",
                                                 "\\div",
                                                 "\\pm",
                                                 "\\mp",
                                                 "\\le",
                                                 "\\ge",
                                                 "\\ne",
                                                 "\\in",
                                                 "\\cup",
                                                 "\\cap",
                                                 "\\setminus",
                                                 "\\infty",
                                                 "^\\circ",
                                                 "\\text{cm}",
                                                 "\\text{",
                                                 "\\mathrm{m}",
                                                 "\\boxed{",
                                                 "\\begin{pmatrix}",
                                                 "\\end{pmatrix}",
                                                 "\\sin",
                                                 "\\log_2",
                                                 "\\ln",
                                                 "\\binom",
                                                 "\\overline{3}",
                                                 "\\emptyset",
                                                 "\xE2\x88\x9A",
                                                 "\xC2\xB0",
                                                 "\xFF",
                                                 "and",
                                                 "dollars",
                                                 "f(x)"};

TEST_CASE("random pieces of LaTeX neither crash nor hang, and are what they are") {
  RandomStream random(20251125, "math_fuzz");
  const auto soup = [&] {
    std::string text;
    const std::uint32_t pieces = 1 + random.next_below(random.next_below(8) == 0 ? 60 : 10);
    for (std::uint32_t i = 0; i < pieces; ++i) text += kPieces[random.next_below(kPieces.size())];
    return text;
  };
  const Stopwatch clock;
  std::string gold = soup();
  int same = 0, read = 0;
  for (int i = 0; i < 200000; ++i) {
    std::string answer = soup();
    const MathVerdict verdict = compare_math(gold, answer);
    const bool one = verdict.same;
    same += one ? 1 : 0;
    read += verdict.why == "another value" ? 1 : 0;
    if (i % 8 == 0) {
      INFO(gold << " and " << answer);
      REQUIRE(compare_math(gold, answer).same == one);
      REQUIRE(compare_math(answer, gold).same == one);
      REQUIRE((answer.find_first_not_of(" $") == std::string::npos || compare_math(answer, answer).same ||
               compare_math(answer, answer).why == "empty"));
    }
    find_math_answer(answer);
    gold = std::move(answer);
  }
  CHECK(same > 5);  // the soup holds answers, not only noise
  CHECK(read > 500);
  CHECK(same < 100000);
  CHECK(clock.seconds() < 120);
}

}  // namespace
}  // namespace grpo
