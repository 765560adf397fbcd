// Models that were split into several .gguf files.
#include "libgrpo/format/gguf.hpp"

#include "tests/format/gguf_builder.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <functional>
#include <unistd.h>

namespace grpo {
namespace {

using Catch::Matchers::Contains;
using test::GgufBuilder;
using test::message_of;
using test::raw;
namespace fs = std::filesystem;

constexpr std::uint32_t kU16 = 2, kI32 = 5, kTypeF32 = 0;

/// Three parts of one tensor each in a folder of their own; `change` may spoil a part before it is written.
class Parts {
 public:
  explicit Parts(const std::function<void(int, GgufBuilder&)>& change = {}) {
    static int count = 0;
    folder_ = fs::temp_directory_path() / fmt::format("grpo_split_{}_{}", ::getpid(), count++);
    fs::create_directories(folder_);
    for (int i = 0; i < 3; ++i) {
      GgufBuilder part;
      if (i == 0) part.text_key("general.architecture", "llama");
      part.key("split.no", kU16, static_cast<std::uint16_t>(i)).key<std::uint16_t>("split.count", kU16, 3);
      part.key<std::int32_t>("split.tensors.count", kI32, 3);
      part.tensor(fmt::format("t{}", i), {2}, kTypeF32, 0);
      part.data = raw(static_cast<float>(i)) + raw(0.5F);
      if (change) change(i, part);
      write(path(i + 1), part.bytes());
    }
  }
  Parts(const Parts&) = delete;
  Parts& operator=(const Parts&) = delete;
  ~Parts() { fs::remove_all(folder_); }

  static void write(const fs::path& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }
  [[nodiscard]] fs::path path(int number) const { return folder_ / fmt::format("tiny-{:05}-of-00003.gguf", number); }
  [[nodiscard]] std::string refusal(int number) const {
    return message_of(ErrorKind::data, [&] { const GgufFile read{path(number)}; }).value_or("");
  }

 private:
  fs::path folder_;
};

}  // namespace

TEST_CASE("every part of a split model opens the whole of it") {
  const Parts parts;
  for (const int number : {1, 2, 3}) {
    const GgufFile file{parts.path(number)};
    CHECK(file.path() == parts.path(1));
    CHECK(file.text("general.architecture") == "llama");
    REQUIRE(file.tensors().size() == 3);
    for (int i = 0; i < 3; ++i) {
      const GgufTensor* tensor = file.find(fmt::format("t{}", i));
      REQUIRE(tensor != nullptr);
      std::vector<float> values(2);
      GgufFile::dequantize(*tensor, values);
      CHECK(values == std::vector<float>{static_cast<float>(i), 0.5F});
    }
  }
}

TEST_CASE("a part that is missing is named, whichever part was asked for") {
  const Parts parts;
  fs::remove(parts.path(2));
  for (const int number : {1, 3})
    CHECK_THAT(parts.refusal(number), Contains(parts.path(2).string() + ": part 2 of 3") && Contains("missing"));
}

TEST_CASE("parts that do not belong together are refused") {
  CHECK_THAT(Parts([](int i, GgufBuilder& part) {
               if (i == 1) part.keys[0] = GgufBuilder().key<std::uint16_t>("split.no", kU16, 2).keys[0];
             }).refusal(1),
             Contains("tiny-00002-of-00003.gguf") && Contains("part 3 of 3, by its name it is part 2 of 3"));
  CHECK_THAT(Parts([](int i, GgufBuilder& part) {
               if (i == 2) part.keys[1] = GgufBuilder().key<std::uint16_t>("split.count", kU16, 4).keys[0];
             }).refusal(1),
             Contains("part 3 of 4"));
  CHECK_THAT(Parts([](int i, GgufBuilder& part) {
               if (i == 2) part.keys = {};
             }).refusal(1),
             Contains("part ? of 1"));
  CHECK_THAT(Parts([](int, GgufBuilder& part) {
               part.keys.back() = GgufBuilder().key<std::int32_t>("split.tensors.count", kI32, 4).keys[0];
             }).refusal(2),
             Contains("split.tensors.count is 4") && Contains("3 tensors"));
  CHECK_THAT(Parts([](int i, GgufBuilder& part) {
               if (i == 2) part.tensors = GgufBuilder().tensor("t0", {2}, kTypeF32, 0).tensors;
             }).refusal(1),
             Contains("\"t0\" is in another part"));
}

TEST_CASE("counts and names that cannot be are refused") {
  const auto with_count = [](std::uint16_t count) {
    return Parts(
               [count](int, GgufBuilder& part) { part.keys[part.keys.size() - 2] = GgufBuilder().key("split.count", kU16, count).keys[0]; })
        .refusal(1);
  };
  CHECK_THAT(with_count(0), Contains("split.count is 0"));
  CHECK_THAT(with_count(65535), Contains("65535 parts") && Contains("not called"));
  const Parts parts;
  for (const char* name :
       {"x.gguf", "tiny-00001-of-00004.gguf", "tiny-0000a-of-00003.gguf", "-of-00003.gguf", "tiny_00001-of-00003.gguf"}) {
    const fs::path other = parts.path(1).parent_path() / name;
    fs::copy_file(parts.path(1), other);
    const auto message = message_of(ErrorKind::data, [&] { const GgufFile read{other}; });
    REQUIRE(message);
    CHECK_THAT(*message, Contains(other.string()) && Contains("not called NAME-00001-of-00003.gguf"));
  }
}

TEST_CASE("a part that is cut short anywhere is refused with its name") {
  const Parts parts;
  std::ifstream in(parts.path(2), std::ios::binary);
  const std::string whole{std::istreambuf_iterator<char>{in}, {}};
  for (std::size_t length = 0; length < whole.size(); length += 3) {
    Parts::write(parts.path(2), whole.substr(0, length));
    CHECK_THAT(parts.refusal(1), Contains(parts.path(2).string()));
  }
}

}  // namespace grpo
