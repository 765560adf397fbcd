#include "libgrpo/metrics/json_lines.hpp"
#include "libgrpo/metrics/meters.hpp"
#include "libgrpo/metrics/progress.hpp"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>

using namespace grpo;
namespace fs = std::filesystem;

namespace {

std::string content(const fs::path& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

fs::path scratch(const std::string& name) {
  const fs::path folder = fs::temp_directory_path() / ("grpo_metrics_" + name);
  fs::remove_all(folder);
  fs::create_directories(folder);
  return folder / "metrics.jsonl";
}

}  // namespace

TEST_CASE("meters merged from parts equal the meter of the whole") {
  Meters whole, a, b;
  whole.add_largest("max", 5.0);
  whole.add_smallest("min", -1.0);
  a.add_largest("max", 2.0);
  a.add_smallest("min", -1.0);
  b.add_largest("max", 5.0);
  b.add_largest("max", -7.0);
  b.add_smallest("min", 3.0);
  whole.add("kl", 10.0, 4.0);
  a.add("kl", 7.0, 1.0);
  b.add("kl", 3.0, 3.0);
  a.merge(b);
  CHECK(a.means() == whole.means());
  a.add("empty", 0.0, 0.0);
  CHECK(a.means().count("empty") == 0);
}

TEST_CASE("resuming keeps the lines up to the checkpoint's step and drops the rest, a torn line included") {
  const fs::path path = scratch("resume");
  {
    JsonLinesSink sink(path, 0);
    for (int step = 1; step <= 4; ++step) sink.write(step, {{"reward", step * 0.5}});
  }
  const std::string whole = content(path);
  std::ofstream(path, std::ios::app) << "{\"step\": 5, \"rew";
  {
    JsonLinesSink sink(path, 2);
    sink.write(3, {{"reward", 1.5}});
    sink.write(4, {{"reward", 2.0}});
  }
  CHECK(content(path) == whole);
}

TEST_CASE("a fresh run starts an empty file; numbers that are not finite become null") {
  const fs::path path = scratch("fresh");
  JsonLinesSink(path, 0).write(1, {{"a", 1.0}});
  JsonLinesSink(path, 0).write(1, {{"b", std::numeric_limits<double>::quiet_NaN()}});
  CHECK(content(path) == "{\"step\":1,\"b\":null}\n");
}

TEST_CASE("a metrics file that cannot be written is an error that names it") {
  CHECK_THROWS_WITH(JsonLinesSink("/proc/nowhere/metrics.jsonl", 0), Catch::Contains("/proc/nowhere/metrics.jsonl"));
}

TEST_CASE("piped progress is one plain line per step") {
  std::ostringstream plain;
  ProgressLine progress(plain, 10);
  for (int step = 1; step <= 2; ++step)
    progress.step({.step = step, .metrics = {{"reward", 0.25 * step}, {"kl", 0.01}}, .phases = {}, .seconds = 2.0, .packed_tokens = 100.0});
  CHECK(plain.str() ==
        "step  1/10  reward  0.250  kl 0.0100  50 tok/s  2.0 s  eta 18s\n"
        "step  2/10  reward  0.500  kl 0.0100  50 tok/s  2.0 s  eta 16s\n");
}

TEST_CASE("durations and sizes read well") {
  CHECK(show_duration(59.6) == "1m00s");
  CHECK(show_duration(3725) == "1h02m");
  CHECK(show_bytes(1.44e9) == "1.4 GB");
  CHECK(show_bytes(512) == "512 B");
}
