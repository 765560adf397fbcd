// The real GSM8K, if it is at hand.
#include "libgrpo/data/prompt_source.hpp"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <set>

namespace grpo {
namespace {

bool is_number(const std::string& text) {
  char* end = nullptr;
  std::strtod(text.c_str(), &end);
  return !text.empty() && *end == '\0' && text.find_first_not_of("-.0123456789") == std::string::npos;
}

TEST_CASE("GSM8K: every row reads and every gold answer is a number") {
  const char* set = std::getenv("GRPO_GSM8K");
  const std::filesystem::path folder = set != nullptr ? set : "../shared/data/gsm8k";
  const std::pair<const char*, std::size_t> splits[] = {{"train.jsonl", 7473}, {"test.jsonl", 1319}};
  for (const auto& [name, count] : splits) {
    if (!std::filesystem::exists(folder / name)) {
      WARN("skipped: " << (folder / name).string() << " is absent; set GRPO_GSM8K to the folder with train.jsonl and test.jsonl");
      return;
    }
    const auto source = open_dataset({(folder / name).string()}, {"question", "answer"});
    REQUIRE(source->size() == count);
    std::size_t numbers = 0;
    std::set<std::string> origins;
    for (std::size_t i = 0; i < source->size(); ++i) {
      const Row row = source->row(i);
      numbers += is_number(row.solution) ? 1 : 0;
      origins.insert(row.origin);
      if (row.question.empty() || row.columns.at("answer").find("####") == std::string::npos) FAIL(row.origin);
    }
    CHECK(numbers == count);
    CHECK(origins.size() == count);
    CHECK(source->row(count - 1).origin == std::string(name) + ":" + std::to_string(count));
  }
  CHECK(open_dataset({(folder / "train.jsonl").string()}, {"question", "answer"})->row(0).solution == "72");
  const auto message = [&] {
    try {
      open_dataset({(folder / "train.jsonl").string()}, {"problem", "answer"});
    } catch (const std::exception& error) {
      return std::string(error.what());
    }
    return std::string();
  }();
  CHECK_THAT(message, Catch::Matchers::Contains("train.jsonl:1: no column \"problem\"; this row has \"answer\", \"question\""));
}

}  // namespace
}  // namespace grpo
