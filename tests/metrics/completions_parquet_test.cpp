#include "libgrpo/metrics/completions_parquet.hpp"

#include <catch2/catch.hpp>
#include <filesystem>

using namespace grpo;

TEST_CASE("a step without groups, and a folder that cannot be written", "[metrics]") {
  const auto path = std::filesystem::temp_directory_path() / "grpo_completions.parquet";
  if (!write_completions_parquet(path, {}, {})) return;  // built without Arrow
  CHECK(std::filesystem::file_size(path) > 0);
  CHECK_THROWS_WITH(write_completions_parquet("/proc/nowhere/x.parquet", {}, {}), Catch::Contains("/proc/nowhere"));
}
