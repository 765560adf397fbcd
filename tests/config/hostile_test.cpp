// Whatever the bytes, the answer is an Error or a recipe, and it comes soon.
#include "libgrpo/config/load.hpp"
#include "libgrpo/config/print.hpp"
#include "libgrpo/config/value.hpp"
#include "tests/config/recipe_files.hpp"

#include <catch2/catch.hpp>

#include <chrono>
#include <random>

using namespace grpo;
using namespace grpo::test;

namespace {

std::string repeated(const std::string& text, std::size_t times) {
  std::string out;
  out.reserve(text.size() * times);
  for (std::size_t i = 0; i < times; ++i) out += text;
  return out;
}

void must_fail_soon(const std::string& text) {
  for (const char* name : {"r.toml", "r.yaml"}) {
    const auto start = std::chrono::steady_clock::now();
    const auto lines = errors_of(name, text);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    INFO(name << " " << text.substr(0, 40) << " took " << seconds.count() << " s");
    CHECK_FALSE(lines.empty());
    CHECK(lines.size() <= 51);
    for (const std::string& line : lines) CHECK(line.size() < 1000);
    CHECK(seconds.count() < 10.0);
  }
}

}  // namespace

TEST_CASE("large and deep inputs end in an error", "[config]") {
  const std::size_t kMany = 500000;
  std::mt19937 random(1);
  std::string garbage(1000000, '\0');
  for (char& c : garbage) c = static_cast<char>(random());
  must_fail_soon(garbage);
  for (char& c : garbage) c = static_cast<char>(' ' + random() % 95);
  must_fail_soon(garbage);
  must_fail_soon(repeated("x", 2 * kMany + 100000));
  must_fail_soon("seed = " + repeated("[", kMany));
  must_fail_soon("seed: " + repeated("[", kMany));
  must_fail_soon("seed: " + repeated("{a: ", kMany / 4));
  must_fail_soon("seed = " + repeated("{a = ", kMany / 5));
  must_fail_soon(repeated("a.", kMany) + "b = 1");
  must_fail_soon("[" + repeated("a.", kMany) + "b]");
  must_fail_soon("x = { " + repeated("\"a\" . ", kMany / 8) + "b = 1 }");
  must_fail_soon(repeated("- ", kMany));
  must_fail_soon(repeated("? ", kMany));
  must_fail_soon(repeated("\"", 100001));
  must_fail_soon(repeated("a: ", kMany / 3));
}

TEST_CASE("bytes that are no text", "[config]") {
  using Lines = std::vector<std::string>;
  const std::string nul("seed = 1\nrun_name = \"a\0b\"\n", 26);
  CHECK(errors_of("r.toml", nul) == Lines{"r.toml:2: holds the control character \\x00, so it is not text"});
  CHECK(errors_of("r.yaml", std::string("\0", 1)).size() == 1);
  CHECK(errors_of("r.toml", "run_name = \"\xff\"\n").size() == 1);
  CHECK(errors_of("r.yaml", "run_name: \xff\n").size() == 1);
  CHECK(errors_of_words({"--run_name=\xff"}) == Lines{"command line: --run_name=\\xff: expected text in UTF-8"});
  CHECK(errors_of_words({"--\x1b[31m\xff"}) == Lines{"command line: --\\x1b[31m\\xff: unknown option"});
}

TEST_CASE("many unknown options: the first ones, and how many more", "[config]") {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += "unknown_option_" + std::to_string(i) + " = 1\n";
  const auto lines = errors_of("r.toml", text);
  REQUIRE(lines.size() == 51);
  CHECK(lines.back() == "and 4950 more");
}

TEST_CASE("YAML aliases neither explode nor loop", "[config]") {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 10; ++i) {
    const std::string last = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + last + repeated(", " + last, 9) + "]\n";
  }
  CHECK_FALSE(errors_of("r.yaml", bomb).empty());
  CHECK_FALSE(errors_of("r.yaml", "few_shot: &a [*a]\n").empty());
}

TEST_CASE("inputs that once stopped a parser", "[config]") {
  CHECK_FALSE(errors_of("r.yaml", ",").empty());                         // yaml-cpp's loader of several documents never ended
  CHECK_FALSE(errors_of("r.toml", "x = [1, }2.5]").empty());             // an assertion of toml++
  CHECK_FALSE(errors_of("r.toml", "caf\xc3\xa9 \xc3\xa9 = 1").empty());  // code that toml++ marks unreachable
}

TEST_CASE("letters beyond ASCII survive wherever TOML allows them", "[config]") {
  const std::string text =
      "few_shot = [\"\xc3\xa9 qq\\u00e9\", '\xf0\x9f\x98\x80', \"\"\"\n\\\n  \xe2\x80\xa6\"\"\", \"q0q\"]  # "
      "\xc3\xa9\n";
  CHECK(load_text("r.toml", text).recipe.data.few_shot ==
        std::vector<std::string>{"\xc3\xa9 qq\xc3\xa9", "\xf0\x9f\x98\x80", "\xe2\x80\xa6", "q0q"});
}

TEST_CASE("damaged recipes: an error or a recipe", "[config]") {
  const std::string toml = to_toml(load_words({}), true);
  const std::string yaml =
      "seed: 1\nreward_funcs:\n- a\n- b\ndataset_mixture:\n  datasets: [{id: &x \"a\", weight: 1}]\n"
      "system_prompt: |\n  a\n  b\n\"run_name\": 'x' # c\n";
  const std::string alphabet = "[]{}\"'#=.,:-&*!|>?%@`~\n\t \\0aZ_\xc3\xa9";
  std::mt19937 random(2);
  for (int round = 0; round < 4000; ++round) {
    for (const bool is_toml : {true, false}) {
      std::string text = is_toml ? toml : yaml;
      for (auto edits = 1 + random() % 6; edits > 0; --edits) {
        const std::size_t at = random() % text.size();
        if (random() % 3 == 0) {
          text.erase(at, random() % 20);
        } else {
          text.insert(at, std::string(1 + random() % 3, alphabet[random() % alphabet.size()]));
        }
        if (text.empty()) text = "x";
      }
      try {
        is_toml ? read_toml(text, {"run"}) : read_yaml(text, {"run"});
      } catch (const SyntaxError&) {  // anything else fails the test
      }
      if (round % 40 == 0) (void)errors_of(is_toml ? "r.toml" : "r.yaml", text);  // the same for all but Error{recipe}
    }
  }
  SUCCEED();
}
