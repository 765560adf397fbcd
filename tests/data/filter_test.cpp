#include "libgrpo/data/filter.hpp"

#include "libgrpo/data/prompt_source.hpp"

#include "tests/format/scratch_file.hpp"

#include <catch2/catch.hpp>

namespace grpo {
namespace {

using Catch::Matchers::Contains;
using detail::Filter;
using test::message_of;
using test::ScratchFile;

const detail::Columns kRow = detail::read_json_row(
    R"({"level": 3, "text": "4.5", "source": "amc", "tags": ["hard", 7, null, true], "none": null, "yes": true, "no": false, "my level": 2, "word": "b"})");

bool holds(const std::string& expression) { return Filter(expression).matches(kRow); }

TEST_CASE("a filter's comparisons") {
  for (const char* yes : {"level <= 3",
                          "level<3.5",
                          "level >= 3",
                          "level = 3",
                          "level == 3.0",
                          "level != 4",
                          "level > -1",
                          "text < 5",
                          "text == 4.5",
                          "3 >= level",
                          "source == 'amc'",
                          "source == \"amc\"",
                          "source < \"b\"",
                          "word > 'a'",
                          "none == null",
                          "level != null",
                          "source != 3",
                          "`my level` == 2",
                          "level in [1, 2, 3]",
                          "source in ['amc']",
                          "source not in ['aime', null]",
                          "none in [null]",
                          "source contains 'm'",
                          "tags contains 'hard'",
                          "tags contains 7",
                          "tags contains null",
                          "tags contains true",
                          "tags not contains 'easy'",
                          "source not contains 'x'",
                          "yes",
                          "yes == true",
                          "no == false",
                          "not no",
                          "level > word_count or true",
                          "not level contains 3"}) {
    INFO(yes);
    if (std::string(yes).find("word_count") != std::string::npos) {
      CHECK(message_of(ErrorKind::data, [&] { holds(yes); }));
      continue;
    }
    CHECK(holds(yes));
  }
  for (const char* no : {"level < 3", "level == '4'", "source == 'AMC'", "none < 3", "none > 3", "none == 0", "level == null",
                         "tags contains 'har'", "source in []x", "none", "no", "source contains 'amcx'", "level in [4]"}) {
    INFO(no);
    if (std::string(no).ends_with("[]x")) {
      CHECK(message_of(ErrorKind::recipe, [&] { holds(no); }));
      continue;
    }
    CHECK_FALSE(holds(no));
  }
}

TEST_CASE("and binds tighter than or, not tighter than and") {
  CHECK(holds("yes or no and no"));
  CHECK_FALSE(holds("(yes or no) and no"));
  CHECK_FALSE(holds("not yes or no"));
  CHECK(holds("not (yes and no)"));
  CHECK(holds("not not yes"));
  CHECK(holds("level > 1 and level < 5 and not source == 'aime' or no"));
}

TEST_CASE("a wrong filter shows the place") {
  // the expression, what is said, and how many blanks stand before the caret
  const std::tuple<const char*, const char*, int> cases[] = {{"level <=", "ends where a value is expected", 8},
                                                             {"level <= 3 source", "expected and, or", 11},
                                                             {"level <= 3)", "expected and, or", 10},
                                                             {"(level <= 3", "expected )", 11},
                                                             {"level in 3", "expected [", 9},
                                                             {"level in [1 2]", "expected ]", 12},
                                                             {"level <= 3x", "not a number", 9},
                                                             {"level << 3", "expected a column", 7},
                                                             {"name == 'x", "never closed", 8},
                                                             {"and 3", "expected a value before and", 0},
                                                             {"level not 3", "expected in or contains", 10},
                                                             {"é == ü and", "ends where", 10},
                                                             {"level & 3", "expected and, or", 6},
                                                             {"3", "a value alone", 0},
                                                             {"", "ends where", 0},
                                                             {"level <= 1e999", "not a number", 9}};
  for (const auto& [expression, why, blanks] : cases) {
    INFO(expression);
    const auto message = message_of(ErrorKind::recipe, [&e = expression] { holds(e); }).value_or("");
    CHECK_THAT(message, Contains(why) && Contains("\n  " + std::string(static_cast<std::size_t>(blanks), ' ') + "^"));
    CHECK(message.ends_with("\n  " + std::string(static_cast<std::size_t>(blanks), ' ') + "^"));
  }
}

TEST_CASE("hostile filters end with an error") {
  CHECK_THAT(message_of(ErrorKind::recipe, [] { holds(std::string(2000, '(') + "yes"); }).value_or(""), Contains("nested deeper"));
  std::string nots;
  for (int i = 0; i < 900; ++i) nots += "not ";
  CHECK_THAT(message_of(ErrorKind::recipe, [&] { holds(nots + "yes"); }).value_or(""), Contains("nested deeper"));
  CHECK_THAT(message_of(ErrorKind::recipe, [] { holds(std::string(100000, 'a')); }).value_or(""), Contains("at most 4096"));
  std::string chain = "yes";
  while (chain.size() < 4000) chain += " and yes";
  CHECK(holds(chain));
}

TEST_CASE("what has no order is an error that says so") {
  CHECK_THAT(message_of(ErrorKind::data, [] { holds("source <= 3"); }).value_or(""),
             Contains("column \"source\" is \"amc\" and a number have no order"));
  CHECK_THAT(message_of(ErrorKind::data, [] { holds("tags < 3"); }).value_or(""), Contains("column \"tags\" is a list"));
  CHECK_THAT(message_of(ErrorKind::data, [] { holds("levels < 3"); }).value_or(""),
             Contains("no column \"levels\"; did you mean \"level\"?"));
  CHECK_THAT(message_of(ErrorKind::data, [] { holds("source"); }).value_or(""), Contains("neither yes nor no"));
}

TEST_CASE("a filtered dataset keeps its rows' names, and says where it fails") {
  std::string text;
  for (int i = 1; i <= 10; ++i)
    text += "{\"question\": \"q" + std::to_string(i) + "\", \"answer\": 1, \"level\": " + std::to_string(i) + "}\n";
  const ScratchFile file{text, ".jsonl"};
  const std::string name = file.path().filename().string();
  const auto source = open_dataset({file.path().string()}, {"question", "answer", {}, "level > 3 and level != 5"});
  REQUIRE(source->size() == 6);
  CHECK(source->row(0).origin == name + ":4");
  CHECK(source->row(1).origin == name + ":6");
  CHECK(source->row(5).question == "q10");
  const auto open = [&](const char* filter) { open_dataset({file.path().string()}, {"question", "answer", {}, filter}); };
  CHECK_THAT(message_of(ErrorKind::recipe, [&] { open("level > 99"); }).value_or(""),
             Contains("none of the 10 rows") && Contains("level > 99"));
  CHECK_THAT(message_of(ErrorKind::data, [&] { open("question > 3"); }).value_or(""),
             Contains(name + ":1: filter: column \"question\" is \"q1\""));
  const auto narrow = open_dataset({file.path().string()}, {"question", "answer", {"level"}, {}});
  CHECK(narrow->row(0).columns == std::map<std::string, std::string>{{"level", "1"}});
  CHECK_THAT(message_of(ErrorKind::data,
                        [&] {
                          open_dataset({file.path().string()}, {"question", "answer", {"lvl"}, {}});
                        })
                 .value_or(""),
             Contains("no column \"lvl\""));
}

}  // namespace
}  // namespace grpo
