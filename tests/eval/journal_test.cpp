#include "libgrpo/eval/journal.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/base/files.hpp"

#include <catch2/catch.hpp>
#include <unistd.h>

namespace grpo {
namespace {

namespace fs = std::filesystem;
using Catch::Matchers::Contains;

const std::string kRun = R"({"n": 2, "model": "a"})";

struct Scratch {
  fs::path path = fs::temp_directory_path() / ("grpo_journal_" + std::to_string(::getpid()) + ".jsonl");
  Scratch() { fs::remove(path); }
  ~Scratch() { fs::remove(path); }
};

AnsweredQuestion question(std::size_t number) {
  AnsweredQuestion one{number, 0xFEDCBA9876543210ULL + number, "rows.jsonl:3", "Q\n\"x\"", "72", 4, {}};
  one.answers.push_back({"an answer é", 12, FinishReason::stop, "72", {Reward::of(0.1), Reward::not_applicable()}});
  one.answers.push_back({"", 1, FinishReason::length, "", {Reward::failed("why \"not\""), Reward::of(-1.0)}});
  return one;
}

EvalJournal open(const Scratch& scratch, const std::string& run = kRun) { return {scratch.path, run, {"one", "two"}}; }

std::string refusal(ErrorKind kind, const Scratch& scratch, const std::string& run = kRun) {
  try {
    open(scratch, run);
  } catch (const Error& error) {
    CHECK(error.kind() == kind);
    return error.what();
  }
  return {};
}

TEST_CASE("what was answered is read back as it was") {
  const Scratch scratch;
  {
    EvalJournal journal = open(scratch);
    CHECK(journal.found().empty());
    journal.write(question(5));
    journal.write(question(2));
  }
  const EvalJournal again = open(scratch);
  REQUIRE(again.found().size() == 2);
  CHECK(again.found()[1].question == 2);
  const AnsweredQuestion &got = again.found()[0], want = question(5);
  CHECK(to_json_line(got, {"one", "two"}) == to_json_line(want, {"one", "two"}));
  CHECK((got.id == want.id && got.source == want.source && got.prompt == want.prompt && got.solution == want.solution &&
         got.known_modes == want.known_modes));
  CHECK(got.answers[0].verdicts[0].value() == 0.1);
  CHECK(got.answers[1].verdicts[0].why() == "why \"not\"");
  CHECK(got.answers[0].verdicts[1].kind() == Reward::Kind::not_applicable);
  CHECK(got.answers[1].finish == FinishReason::length);
}

TEST_CASE("a file that was cut off anywhere goes on from its last whole line") {
  const Scratch scratch;
  {
    EvalJournal journal = open(scratch);
    journal.write(question(0));
    journal.write(question(1));
  }
  const std::string whole = read_file(scratch.path);
  const std::size_t head = whole.find('\n') + 1, first = whole.find('\n', head) + 1;
  for (std::size_t length = 0; length <= whole.size(); ++length) {
    write_file(scratch.path, whole.substr(0, length));
    {
      EvalJournal journal = open(scratch);
      const std::size_t expected = length == whole.size() ? 2 : length >= first ? 1 : 0;
      if (journal.found().size() != expected) FAIL("cut at " << length);
      for (std::size_t q = expected; q < 2; ++q) journal.write(question(q));
    }
    if (read_file(scratch.path) != whole) FAIL("written on after a cut at " << length);
  }
}

TEST_CASE("another run's file, and a damaged one, are refused") {
  const Scratch scratch;
  open(scratch).write(question(0));
  CHECK_THAT(refusal(ErrorKind::recipe, scratch, R"({"n": 4, "model": "a"})"), Contains("n: 2 there, 4 here"));
  CHECK_THAT(refusal(ErrorKind::recipe, scratch, R"({"n": 2, "model": "b"})"), Contains("model: \"a\" there, \"b\" here"));
  const std::string whole = read_file(scratch.path);
  write_file(scratch.path, whole + "{\"question\": 1}\n");
  CHECK_THAT(refusal(ErrorKind::data, scratch), Contains(".jsonl:3: "));
  write_file(scratch.path, whole + whole.substr(whole.find('\n') + 1));
  CHECK_THAT(refusal(ErrorKind::data, scratch), Contains(":3: question 0 was answered before"));
  write_file(scratch.path, "some notes\nof mine\n");
  CHECK_THAT(refusal(ErrorKind::recipe, scratch), Contains("is no file of an evaluation"));
}

}  // namespace
}  // namespace grpo
