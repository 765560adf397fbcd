#include "libgrpo/data/prompt_source.hpp"

#include "tests/format/scratch_file.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <thread>

namespace grpo {
namespace {

using Catch::Matchers::Contains;
using test::message_of;
using test::ScratchFile;

std::unique_ptr<PromptSource> open(const ScratchFile& file) { return open_dataset({(file.path()).string()}, {"question", "answer"}); }

/// The message of Error{data} for the row after a good one; it must name file and line.
std::string refusal(const std::string& line) {
  const ScratchFile file{"{\"question\": \"q\", \"answer\": \"a\"}\n" + line + "\n", ".jsonl"};
  const auto source = open(file);
  if (source->size() != 2) return "not a row";
  const auto message = message_of(ErrorKind::data, [&] { static_cast<void>(source->row(1)); });
  if (!message) return "";
  CHECK_THAT(*message, Catch::Matchers::StartsWith(file.path().string() + ":2: "));
  CHECK(message->size() < 600);
  return *message;
}

Row only_row(const std::string& line) {
  const ScratchFile file{line, ".jsonl"};
  const auto source = open(file);
  REQUIRE(source->size() == 1);
  return source->row(0);
}

TEST_CASE("rows are found by index, blank lines skipped, lines counted") {
  const ScratchFile file{
      "\n{\"question\": \"one\", \"answer\": \"1\"}\r\n \t\r\n\n{\"question\": \"two\", \"answer\": \"2\"}\n"
      "{\"question\": \"three\", \"answer\": \"3\"}\n\n{\"question\": \"four\", \"answer\": \"4\"}",
      ".jsonl"};
  const auto source = open(file);
  REQUIRE(source->size() == 4);
  const std::string name = file.path().filename().string();
  const std::pair<const char*, const char*> expected[] = {{"four", ":8"}, {"one", ":2"}, {"three", ":6"}, {"two", ":5"}};
  const std::size_t order[] = {3, 0, 2, 1};
  for (std::size_t i = 0; i < 4; ++i) {
    const Row row = source->row(order[i]);
    CHECK(row.question == expected[i].first);
    CHECK(row.origin == name + expected[i].second);
    CHECK(row.solution == std::to_string(order[i] + 1));
  }
  CHECK(message_of(ErrorKind::contract, [&] { static_cast<void>(source->row(4)); }));
}

TEST_CASE("values: strings as they are, the rest as JSON text") {
  const Row row = only_row(R"({"question": "a\n\u00e9\"", "answer": 0.10, "big": 123456789012345678901234567890, "neg": -7,)"
                           R"( "yes": true, "none": null, "list": [1, "x\ny", {"k": [], "e": {}}, null, false, 1.50],)"
                           R"( "object": {"a": {"b": [2, 3]}, "c": "d"}})");
  CHECK(row.question == "a\n\xc3\xa9\"");
  CHECK(row.messages.empty());
  CHECK(row.solution == "0.10");
  CHECK(row.columns.at("answer") == "0.10");
  CHECK(row.columns.at("big") == "123456789012345678901234567890");
  CHECK(row.columns.at("neg") == "-7");
  CHECK(row.columns.at("yes") == "true");
  CHECK(row.columns.at("none") == "null");
  CHECK(row.columns.at("list") == R"([1,"x\ny",{"k":[],"e":{}},null,false,1.50])");
  CHECK(row.columns.at("object") == R"({"a":{"b":[2,3]},"c":"d"})");
  CHECK(row.columns.size() == 8);
}

TEST_CASE("numbers make questions and answers too") {
  const Row row = only_row(R"({"question": 12, "answer": -3})");
  CHECK(row.question == "12");
  CHECK(row.solution == "-3");
}

TEST_CASE("a list of turns makes a conversational row") {
  const Row row = only_row(R"({"answer": "4", "question": [{"role": "system", "content": "Be brief."},)"
                           R"( {"content": "2 + 2?", "role": "user", "extra": [1]}]})");
  CHECK(row.question.empty());
  REQUIRE(row.messages.size() == 2);
  CHECK(row.messages[0].role == "system");
  CHECK(row.messages[0].content == "Be brief.");
  CHECK(row.messages[1].role == "user");
  CHECK(row.messages[1].content == "2 + 2?");
}

TEST_CASE("GSM8K's answer is what follows the last ####") {
  const std::pair<const char*, const char*> cases[] = {{R"("48/2 = <<48/2=24>>24\n#### 72")", "72"},
                                                       {R"("#### 1,234,567 ")", "1234567"},
                                                       {R"("a #### 1 #### -2")", "-2"},
                                                       {"\"#### (1, 2)\"", "(1, 2)"},
                                                       {R"("#### 1,23")", "1,23"},
                                                       {R"("#### 1,2345")", "1,2345"},
                                                       {R"("####")", ""},
                                                       {R"("1,234")", "1,234"},
                                                       {R"("  72 ")", "  72 "}};
  for (const auto& [answer, gold] : cases) {
    INFO(answer);
    CHECK(only_row(std::string(R"({"question": "q", "answer": )") + answer + "}").solution == gold);
  }
  CHECK(only_row(R"({"question": "q", "answer": "work #### 72"})").columns.at("answer") == "work #### 72");
}

TEST_CASE("a missing column names those that are there") {
  CHECK_THAT(refusal(R"({"questions": "q", "answer": "a"})"), Contains("no column \"question\"") && Contains("\"answer\", \"questions\"") &&
                                                                  Contains("did you mean \"questions\"") &&
                                                                  Contains("dataset_prompt_column"));
  CHECK_THAT(refusal(R"({"question": "q"})"),
             Contains("no column \"answer\"") && Contains("this row has \"question\"") && Contains("dataset_solution_column"));
  CHECK_THAT(refusal("{}"), Contains("this row has no columns"));
  const ScratchFile file{R"({"question": "q", "answer": "a"})", ".jsonl"};
  const auto message = message_of(ErrorKind::data, [&] { open_dataset({(file.path()).string()}, {"problem", "answer"}); });
  REQUIRE(message);  // the first row is read when the file is opened
  CHECK_THAT(*message, Contains(file.path().string() + ":1: no column \"problem\""));
}

TEST_CASE("damaged rows are refused with file and line") {
  CHECK_THAT(refusal("{\"question\": \"q\""), Contains("not valid JSON"));
  CHECK_THAT(refusal("{\"question\": \"q\", \"answer\": \"a\"} x"), Contains("not valid JSON"));
  CHECK_THAT(refusal("{\"question\": \"\xff\", \"answer\": \"a\"}"), Contains("not valid JSON"));
  CHECK_THAT(refusal("{\"question\": 1e999, \"answer\": \"a\"}"), Contains("not valid JSON"));
  CHECK_THAT(refusal("{\"question\": NaN, \"answer\": \"a\"}"), Contains("not valid JSON"));
  CHECK_THAT(refusal(std::string("{\"question\": \"a\0b\"}", 19)), Contains("not valid JSON"));
  CHECK_THAT(refusal(std::string(1000000, 'x')), Contains("not valid JSON"));
  CHECK_THAT(refusal("\"text\""), Contains("expected an object") && Contains("this is a string"));
  CHECK_THAT(refusal("[1, 2]"), Contains("this is a list"));
  CHECK_THAT(refusal("null"), Contains("this is null"));
  CHECK_THAT(refusal(R"({"question": null, "answer": "a"})"), Contains("column \"question\" is null"));
  CHECK_THAT(refusal(R"({"question": {"a": 1}, "answer": "a"})"), Contains("column \"question\" is an object"));
  CHECK_THAT(refusal(R"({"question": "", "answer": "a"})"), Contains("column \"question\" is empty"));
  CHECK_THAT(refusal(R"({"question": "q", "answer": true})"), Contains("column \"answer\" is true or false"));
  CHECK_THAT(refusal(R"({"question": "q", "answer": ["a"]})"), Contains("column \"answer\" is a list"));
  CHECK_THAT(refusal(R"({"question": [], "answer": "a"})"), Contains("has no turns"));
  CHECK_THAT(refusal(R"({"question": ["hi"], "answer": "a"})"), Contains("turn 1") && Contains("\"role\""));
  CHECK_THAT(refusal(R"({"question": [{"role": "user", "content": "x"}, {"role": "user", "content": 3}], "answer": "a"})"),
             Contains("turn 2") && Contains("\"content\""));
}

TEST_CASE("deep nesting is refused, not followed") {
  for (const char* unit : {"[", "{\"a\":"}) {
    std::string deep;
    for (int i = 0; i < 500000; ++i) deep += unit;
    CHECK_THAT(refusal("{\"question\": \"q\", \"answer\": \"a\", \"x\": " + deep), Contains("nested deeper than 32 levels"));
    CHECK_FALSE(refusal(deep).empty());
  }
  CHECK(refusal("{\"question\": \"q\", \"answer\": \"a\", \"x\": " + std::string(31, '[') + std::string(31, ']') + "}").empty());
}

TEST_CASE("a file that cannot be read says what to do") {
  const auto missing = message_of(ErrorKind::data, [] { open_dataset({"no/such/file.jsonl"}, {"question", "answer"}); });
  REQUIRE(missing);
  CHECK_THAT(*missing, Contains("no/such/file.jsonl: no such file") && Contains("dataset_name") && !Contains("GSM8K"));
  const auto gsm8k = message_of(ErrorKind::data, [] { open_dataset({"data/GSM8K/train.jsonl"}, {"question", "answer"}); });
  REQUIRE(gsm8k);
  CHECK_THAT(*gsm8k,
             Contains("hf download --repo-type dataset openai/gsm8k") && Contains("dataset_name") && Contains("dataset_prompt_column"));
  CHECK(message_of(ErrorKind::data, [] { open_dataset({"docs"}, {"question", "answer"}); }));
  for (const char* nothing : {"", "\n\n", " \r\n\t\n"}) {
    const ScratchFile file{nothing, ".jsonl"};
    CHECK_THAT(message_of(ErrorKind::data, [&] { open(file); }).value_or(""), Contains("no rows"));
  }
  const ScratchFile parquet{"PAR1\x15\x04", ".parquet"};
  CHECK_THAT(message_of(ErrorKind::data, [&] { open(parquet); }).value_or(""), Contains("Parquet"));
}

TEST_CASE("rows are read by many threads at once") {
  std::string text;
  for (int i = 0; i < 200; ++i) text += "{\"question\": \"q" + std::to_string(i) + "\", \"answer\": " + std::to_string(i) + "}\n";
  const ScratchFile file{text, ".jsonl"};
  const auto source = open(file);
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (std::size_t i = 0; i < source->size(); ++i) {
        if (source->row(i).question != "q" + std::to_string(i)) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
}

}  // namespace
}  // namespace grpo
