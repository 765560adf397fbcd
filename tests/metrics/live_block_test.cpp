#include "libgrpo/metrics/live_block.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <regex>
#include <sstream>
#include <thread>

using namespace grpo;

namespace {

ProgressStep example(std::int64_t step) {
  return {.step = step,
          .metrics = {{"reward", 0.1 * static_cast<double>(step)},
                      {"rewards/accuracy/mean", 0.5},
                      {"kl", 0.0123},
                      {"entropy", 0.4},
                      {"completions/mean_length", 23.0},
                      {"completions/clipped_ratio", 0.04}},
          .phases = {{"sample", 1.5}, {"train", 0.5}},
          .seconds = 2.0,
          .sampled_tokens = 300.0,
          .packed_tokens = 400.0,
          .memory_bytes = 1.4e9,
          .checkpoint_step = 3,
          .checkpoint_age = 125.0};
}

std::string shown(int columns, bool colors, int steps = 4) {
  std::ostringstream out;
  LiveBlock block(out, 10, colors, [columns] { return columns; });
  for (int step = 1; step <= steps; ++step) block.step(example(step));
  block.finish();
  return out.str();
}

/// The last block, without escape sequences.
std::vector<std::string> last_block(const std::string& output) {
  const std::size_t up = output.rfind("A\r");
  std::istringstream text(
      std::regex_replace(output.substr(up == std::string::npos ? 0 : up + 2), std::regex("\033\\[[0-9;]*[A-Za-z]"), ""));
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  return lines;
}

std::size_t width(const std::string& line) {
  return static_cast<std::size_t>(
      std::count_if(line.begin(), line.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

}  // namespace

TEST_CASE("the live block shows where a run is", "[metrics]") {
  const auto lines = last_block(shown(120, false));
  REQUIRE(lines.size() == 6);
  CHECK(lines[0].find("4/10") != std::string::npos);
  CHECK(lines[0].find("eta 12s") != std::string::npos);
  CHECK(lines[1].find("0.400  ▁▃▆█  accuracy 0.500") != std::string::npos);
  CHECK(lines[2].find("kl 0.0123  entropy 0.400") != std::string::npos);
  CHECK(lines[3].find("at the cap 4 %") != std::string::npos);
  CHECK(lines[4].find("███████████████▓▓▓▓▓  █ sample 1.5 s, 200 tok/s  ▓ train 0.5 s, 800 tok/s") != std::string::npos);
  CHECK(lines[5].find("1.4 GB at most  checkpoint 3, 2m05s ago") != std::string::npos);
}

TEST_CASE("no line of the live block is as wide as the terminal", "[metrics]") {
  for (int columns = 1; columns <= 130; ++columns) {
    INFO(columns);
    for (const std::string& line : last_block(shown(columns, columns % 2 == 0)))
      CHECK(width(line) < static_cast<std::size_t>(std::max(columns, 9)));
  }
}

TEST_CASE("without colours there are no colour codes", "[metrics]") {
  const std::regex color("\033\\[[0-9;]*m");
  CHECK_FALSE(std::regex_search(shown(100, false), color));
  CHECK(std::regex_search(shown(100, true), color));
}

TEST_CASE("other text goes above the block, which is drawn again", "[metrics]") {
  std::ostringstream out;
  LiveBlock block(out, 10, false, [] { return 80; });
  block.step(example(1));
  block.say([&] { out << "warning: x\n"; });
  const std::string text = out.str();
  const std::size_t warning = text.find("\033[6A\r\033[Jwarning: x\n");
  REQUIRE(warning != std::string::npos);
  CHECK(text.find("1/10", warning) != std::string::npos);
}

TEST_CASE("while a step is under way its phase is shown, with its seconds, and gone when the run has ended", "[metrics]") {
  std::ostringstream out;
  LiveBlock block(out, 10, false, [] { return 80; });
  block.phase("sample");
  std::this_thread::sleep_for(std::chrono::milliseconds(1300));
  block.step(example(1));
  block.phase("train");
  std::this_thread::sleep_for(std::chrono::milliseconds(1300));
  block.finish();
  const std::string all = out.str();
  CHECK(all.starts_with("now      sample 1s"));
  CHECK(all.find("now      train 1s") != std::string::npos);
  const auto lines = last_block(all);
  REQUIRE(lines.size() == 6);
  CHECK(lines[5].starts_with("memory"));
}
