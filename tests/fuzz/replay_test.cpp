// The corpus of every fuzzer, replayed: seeds, and every input that once was a finding. No fuzzer is needed for it.
#include "libgrpo/base/clock.hpp"
#include "tests/fuzz/target.hpp"

#include <catch2/catch.hpp>

#include <iterator>

using namespace grpo;
namespace fs = std::filesystem;

TEST_CASE("no input of the corpora crashes or takes long", "[fuzz]") {
  for (const auto& [name, target] : fuzz::targets()) {
    std::size_t inputs = 0;
    for (const auto& entry : fs::directory_iterator(fs::path("tests/fuzz/corpus") / name)) {
      INFO(entry.path());
      std::ifstream in(entry.path(), std::ios::binary);
      const std::string bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
      const Stopwatch watch;
      CHECK_NOTHROW(target(bytes));
      CHECK(watch.seconds() < 5.0);
      ++inputs;
    }
    INFO(name);
    CHECK(inputs > 0);
    target({});
  }
  CHECK(fuzz::targets().size() >= 10);
}
