#include "libgrpo/checkpoint/optimizer_shards.hpp"

#include "libgrpo/base/error.hpp"

#include <ATen/ATen.h>
#include <catch2/catch.hpp>

using namespace grpo;
namespace fs = std::filesystem;

namespace {

std::string piece(const std::string& name, std::int64_t first, std::int64_t end) {
  return name + "[" + std::to_string(first) + ":" + std::to_string(end) + "]";
}

/// As several ranks leave it: "a" of 100 elements in equal pieces, "b" of 6 whole with the last rank.
fs::path written_by(int ranks) {
  const fs::path folder = fs::temp_directory_path() / ("grpo_optimizer_shards_" + std::to_string(ranks));
  fs::remove_all(folder);
  fs::create_directories(folder);
  const auto a = at::arange(100, at::kFloat), b = at::arange(6, at::kFloat).view({2, 3});
  for (int r = 0; r < ranks; ++r) {
    const std::int64_t first = 100 * r / ranks, end = 100 * (r + 1) / ranks;
    NamedTensors own{{ranks == 1 ? "a" : piece("a", first, end), ranks == 1 ? a.view({10, 10}) : a.narrow(0, first, end - first)}};
    if (r == ranks - 1) own.emplace_back("b", b);
    write_tensors(folder / optimizer_file(r, ranks), own);
  }
  return folder;
}

}  // namespace

TEST_CASE("what any number of ranks wrote, any number reads") {
  for (const int writers : {1, 3, 4}) {
    const fs::path folder = written_by(writers);
    for (const int readers : {1, 2, 7}) {
      for (int r = 0; r < readers; ++r) {
        const std::int64_t first = 100 * r / readers, end = 100 * (r + 1) / readers;
        const auto state = load_optimizer_state(folder, {{readers == 1 ? "a" : piece("a", first, end), end - first}, {"b", 6}});
        CHECK(at::equal(state[0].second.view({-1}), at::arange(first, end, at::kFloat)));
        CHECK(at::equal(state[1].second, at::arange(6, at::kFloat).view({2, 3})));
      }
    }
  }
}

TEST_CASE("a piece that no file holds is named") {
  const fs::path folder = written_by(4);
  CHECK_THROWS_WITH(load_optimizer_state(folder, {{"c", 5}}), Catch::Contains("of c 0 elements are there, 5 are wanted"));
  CHECK_THROWS_WITH(load_optimizer_state(folder, {{"a", 120}}), Catch::Contains("of a 100 elements are there, 120 are wanted"));
  fs::remove(folder / optimizer_file(2, 4));
  CHECK_THROWS_WITH(load_optimizer_state(folder, {{"a", 100}}), Catch::Contains("of a 75 elements are there, 100 are wanted"));
  fs::remove_all(folder);
  fs::create_directories(folder);
  CHECK_THROWS_WITH(load_optimizer_state(folder, {{"a", 100}}), Catch::Contains("optimizer.safetensors is missing"));
}

TEST_CASE("names of pieces come apart, and other names stay whole") {
  CHECK(tensor_range("exp_avg.embed[10:25]").name == "exp_avg.embed");
  CHECK(tensor_range("exp_avg.embed[10:25]").first == 10);
  CHECK(tensor_range("exp_avg.embed[10:25]").end == 25);
  for (const char* name : {"embed", "embed[3]", "embed[3:", "embed[x:4]", "embed[4:4]", "embed[-1:4]", "[", ""})
    CHECK(tensor_range(name).name == name);
}
