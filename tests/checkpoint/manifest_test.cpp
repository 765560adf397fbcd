#include "libgrpo/checkpoint/manifest.hpp"

#include "libgrpo/base/files.hpp"
#include "libgrpo/checkpoint/checkpoint.hpp"
#include "tests/support/tiny_model.hpp"

#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>

using namespace grpo;
using Catch::Matchers::Contains;
using grpo::testing::ByteTokenizer;
using grpo::testing::tiny_model;
namespace fs = std::filesystem;

namespace {

fs::path saved(const std::string& name, std::int64_t step = 4) {
  const fs::path folder = fs::temp_directory_path() / ("grpo_manifest_" + name);
  if (step == 4) fs::remove_all(folder);
  RunState state;
  state.step = step;
  const ByteTokenizer tokenizer;
  return save_checkpoint(folder, {*tiny_model(), tokenizer, {{"exp_avg.x", at::arange(0, 6).to(at::kFloat)}}, state, "seed = 42\n"});
}

void flip(const fs::path& path, std::uintmax_t bit) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekg(static_cast<std::streamoff>(bit / 8));
  const char byte = static_cast<char>(file.get() ^ (1 << (bit % 8)));
  file.seekp(static_cast<std::streamoff>(bit / 8));
  file.put(byte);
}

}  // namespace

TEST_CASE("a checkpoint as it was saved has no damage") { CHECK(checkpoint_damage(saved("whole")).empty()); }

TEST_CASE("one flipped bit in any file of a checkpoint is found, and the file named") {
  const fs::path checkpoint = saved("bits");
  int files = 0;
  for (const auto& entry : fs::directory_iterator(checkpoint)) {
    const std::string name = entry.path().filename().string();
    if (name == "manifest.json") continue;
    ++files;
    const std::uintmax_t bits = 8 * entry.file_size();
    for (const std::uintmax_t bit : {std::uintmax_t{0}, bits / 3, bits - 1}) {
      flip(entry.path(), bit);
      CHECK_THAT(checkpoint_damage(checkpoint), Contains(name + " has other bytes than were saved"));
      flip(entry.path(), bit);
    }
  }
  CHECK(files >= 5);
  CHECK(checkpoint_damage(checkpoint).empty());
}

TEST_CASE("no flipped bit in the manifest goes unseen") {
  const fs::path checkpoint = saved("manifest"), path = checkpoint / "manifest.json";
  const std::uintmax_t bits = 8 * fs::file_size(path);
  int unseen = 0;
  for (std::uintmax_t bit = 0; bit < bits; ++bit) {
    flip(path, bit);
    unseen += checkpoint_damage(checkpoint).empty() ? 1 : 0;
    flip(path, bit);
  }
  CHECK(unseen == 0);
}

TEST_CASE("what is missing or cut off is named") {
  const fs::path checkpoint = saved("missing");
  SECTION("a file") {
    fs::remove(checkpoint / "optimizer.safetensors");
    CHECK(checkpoint_damage(checkpoint) == "optimizer.safetensors is missing");
  }
  SECTION("the end of a file") {
    fs::resize_file(checkpoint / "model.safetensors", 100);
    CHECK_THAT(checkpoint_damage(checkpoint), Contains("model.safetensors has 100 bytes, the manifest says"));
  }
  SECTION("the manifest") {
    fs::remove(checkpoint / "manifest.json");
    CHECK(checkpoint_damage(checkpoint) == "manifest.json is missing");
  }
  SECTION("the end of the manifest") {
    fs::resize_file(checkpoint / "manifest.json", 60);
    CHECK(checkpoint_damage(checkpoint) == "manifest.json does not read");
  }
  SECTION("a manifest of a later version") {
    write_file(checkpoint / "manifest.json", R"({"format": 3, "files": {}})");
    CHECK_THAT(checkpoint_damage(checkpoint), Contains("format 3"));
  }
}

TEST_CASE("a checkpoint of format 1 is held against the sizes it has") {
  const fs::path checkpoint = saved("format1");
  nlohmann::ordered_json old = {{"format", 1}, {"step", 4}, {"files", nlohmann::ordered_json::object()}};
  for (const auto& entry : fs::directory_iterator(checkpoint))
    if (entry.path().filename() != "manifest.json") old["files"][entry.path().filename().string()] = entry.file_size();
  write_file(checkpoint / "manifest.json", old.dump(2));
  CHECK(checkpoint_damage(checkpoint).empty());
  fs::resize_file(checkpoint / "model.safetensors", 100);
  CHECK_THAT(checkpoint_damage(checkpoint), Contains("model.safetensors has 100 bytes"));
}

TEST_CASE("the checkpoint before a damaged one is used, with a warning that says what is damaged") {
  const fs::path first = saved("before"), second = saved("before", 6);
  std::vector<std::string> warnings;
  const Log log([&](LogLevel, std::string_view text) { warnings.emplace_back(text); });
  CHECK(last_checkpoint(first.parent_path(), log) == second);
  flip(second / "model.safetensors", 12345);
  CHECK(last_checkpoint(first.parent_path(), log) == first);
  REQUIRE(warnings.size() == 1);
  CHECK_THAT(warnings[0], Contains(second.string()) && Contains("model.safetensors has other bytes"));
}
