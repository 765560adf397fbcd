#include "libgrpo/metrics/event_file.hpp"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>

using namespace grpo;
namespace fs = std::filesystem;

TEST_CASE("the checksum is that of RFC 3720, masked", "[metrics]") {
  const auto unmasked = [](std::string_view bytes) {
    const std::uint32_t rotated = masked_crc32c(bytes) - 0xA282EAD8U;
    return (rotated >> 17U) | (rotated << 15U);
  };
  CHECK(unmasked(std::string(32, '\0')) == 0x8A9136AAU);
  CHECK(unmasked(std::string(32, '\xFF')) == 0x62A8AB43U);
  CHECK(unmasked("123456789") == 0xE3069283U);
}

TEST_CASE("an event file is a sequence of framed records", "[metrics]") {
  const fs::path folder = fs::temp_directory_path() / "grpo_event_file";
  fs::remove_all(folder);
  {
    EventFile file(folder, 7);
    file.scalars(8, {{"train/reward", 0.5}, {"train/kl", 0.25}});
    file.histogram(8, "lengths", {1.0, 2.0, 2.0, 5.0});
    file.histogram(8, "all_equal", {3.0});
    file.text(8, "text", "**bold** \xFF");
  }
  std::vector<std::string> records;
  for (const auto& entry : fs::directory_iterator(folder)) {
    std::ifstream in(entry.path(), std::ios::binary);
    std::stringstream all;
    all << in.rdbuf();
    std::string bytes = all.str();
    while (!bytes.empty()) {
      const std::string head = bytes.substr(0, 8);
      std::uint64_t length = 0;
      for (int i = 7; i >= 0; --i) length = (length << 8U) | static_cast<unsigned char>(head[static_cast<std::size_t>(i)]);
      REQUIRE(bytes.size() >= 16 + length);
      records.push_back(bytes.substr(12, length));
      bytes.erase(0, 16 + length);
    }
  }
  REQUIRE(records.size() == 6);
  CHECK(records[0].find("brain.Event:2") != std::string::npos);
  CHECK(records[2].find("train/reward") != std::string::npos);
  CHECK(records[5].find("**bold** \xEF\xBF\xBD") != std::string::npos);
}

TEST_CASE("a folder for event files that cannot be made is an error that names it", "[metrics]") {
  CHECK_THROWS_WITH(EventFile("/proc/nowhere/tensorboard", 0), Catch::Contains("/proc/nowhere/tensorboard"));
}
