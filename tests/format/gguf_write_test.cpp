// Written .gguf files against the reader, and the encoders against the `gguf` package (tests/oracle/gguf.json).
#include "libgrpo/format/gguf_write.hpp"

#include "libgrpo/format/ggml_types.hpp"
#include "libgrpo/format/gguf.hpp"
#include "tests/format/scratch_file.hpp"

#include <bit>
#include <catch2/catch.hpp>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <unistd.h>

namespace grpo {
namespace {

using Catch::Matchers::Contains;
using test::message_of;
using test::ScratchFile;

std::string from_hex(const std::string& hex) {
  std::string bytes;
  for (std::size_t i = 0; i < hex.size(); i += 2) bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return bytes;
}

GgufTensorSource constant(std::string name, std::vector<std::int64_t> shape, std::string type, float value) {
  return {std::move(name), std::move(shape), std::move(type),
          [value](std::int64_t, std::span<float> out) { std::fill(out.begin(), out.end(), value); }};
}

}  // namespace

TEST_CASE("encoders give the bytes that the gguf package gives") {
  const auto oracle = nlohmann::json::parse(std::ifstream{"tests/oracle/gguf.json"});
  const std::string raw = from_hex(oracle["floats"].get<std::string>());
  std::vector<float> floats(raw.size() / sizeof(float));
  std::memcpy(floats.data(), raw.data(), raw.size());
  REQUIRE(oracle["encoded"].size() == 4);
  for (const auto& [name, hex] : oracle["encoded"].items()) {
    INFO(name);
    const detail::GgmlType* type = detail::find_ggml_type(name);
    REQUIRE((type != nullptr && type->encode != nullptr));
    const std::size_t blocks = floats.size() / type->block_elements;
    std::string bytes(blocks * type->block_bytes, '\0');
    type->encode(floats.data(), blocks, reinterpret_cast<std::uint8_t*>(bytes.data()));
    CHECK(bytes == from_hex(hex.get<std::string>()));
  }
}

TEST_CASE("every half is encoded from the float that it decodes to, and every rounding is the nearest") {
  for (std::uint32_t half = 0; half < 0x7C00; ++half) {
    const auto decode = [](std::uint16_t bits) {
      float value = 0.0F;
      detail::decode_f16(reinterpret_cast<const std::uint8_t*>(&bits), 1, &value);
      return value;
    };
    const auto encode = [](float value) {
      std::uint16_t bits = 0;
      detail::encode_f16(&value, 1, reinterpret_cast<std::uint8_t*>(&bits));
      return bits;
    };
    const float value = decode(static_cast<std::uint16_t>(half));
    REQUIRE(encode(value) == half);
    REQUIRE(encode(-value) == (half | 0x8000U));
    if (half == 0x7BFF) continue;
    const float middle = std::midpoint(value, decode(static_cast<std::uint16_t>(half + 1)));
    REQUIRE(encode(middle) == (half + 1) / 2 * 2);  // a tie: to the even one
    REQUIRE(encode(std::nextafter(middle, 0.0F)) == half);
    REQUIRE(encode(std::nextafter(middle, 1e6F)) == half + 1);
  }
}

TEST_CASE("what is written is read back, keys with their types") {
  const ScratchFile scratch({}, ".gguf");
  const GgufEntries entries{{"whole", 7U},
                            {"real", 1e-5F},
                            {"yes", true},
                            {"text", std::string("a b")},
                            {"texts", std::vector<std::string>{"one", ""}},
                            {"ints", std::vector<std::int32_t>{1, -2}},
                            {"reals", std::vector<float>{0.5F}}};
  std::vector<GgufTensorSource> tensors{constant("vector", {3}, "F32", 2.5F)};
  tensors.push_back({"rows", {5000, 320}, "F32", [](std::int64_t first, std::span<float> out) {  // more than one chunk
                       for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<float>(first * 320 + static_cast<std::int64_t>(i));
                     }});
  tensors.push_back(constant("eight", {2, 64}, "Q8_0", 127.0F));
  write_gguf(scratch.path(), entries, tensors);
  const GgufFile file{scratch.path()};
  CHECK(file.metadata().size() == entries.size());
  CHECK(file.integer("whole") == 7);
  CHECK(file.number("real") == static_cast<double>(1e-5F));
  CHECK(std::get<bool>(file.metadata().at("yes")));
  CHECK(file.text("text") == "a b");
  CHECK(file.texts("texts") == std::vector<std::string>{"one", ""});
  CHECK(file.integers("ints") == std::vector<std::int64_t>{1, -2});
  REQUIRE(file.tensors().size() == 3);
  CHECK(file.find("rows")->shape == std::vector<std::int64_t>{5000, 320});
  std::vector<float> values(5000 * 320);
  GgufFile::dequantize(*file.find("rows"), values);
  bool counted = true;
  for (std::size_t i = 0; i < values.size(); ++i) counted = counted && values[i] == static_cast<float>(i);
  CHECK(counted);
  CHECK(file.find("eight")->type == "Q8_0");
  std::uint64_t bytes = 0;
  for (const GgufTensor& tensor : file.tensors()) bytes += (tensor.data.size() + 31) / 32 * 32;
  CHECK(gguf_data_bytes(tensors) == bytes);
}

TEST_CASE("values that a type cannot hold are refused by tensor, and no file is left") {
  const std::filesystem::path path = std::filesystem::temp_directory_path() / ("grpo_refused_" + std::to_string(::getpid()) + ".gguf");
  const auto refusal = [&](const std::string& type, float value) {
    const auto message = message_of(ErrorKind::data, [&] { write_gguf(path, {}, {constant("w", {2, 32}, type, value)}); });
    CHECK_FALSE(std::filesystem::exists(path));
    CHECK_FALSE(std::filesystem::exists(path.string() + ".partial"));
    return message.value_or("");
  };
  CHECK_THAT(refusal("F16", 70000.0F), Contains("tensor w holds 70000") && Contains("F16 cannot; choose bf16"));
  CHECK_THAT(refusal("Q8_0", -1e9F), Contains("tensor w holds -1"));
  for (const char* type : {"F32", "F16", "BF16", "Q8_0"}) {
    CHECK_THAT(refusal(type, std::numeric_limits<float>::quiet_NaN()), Contains("holds nan"));
    CHECK_THAT(refusal(type, std::numeric_limits<float>::infinity()), Contains("holds inf"));
  }
}

TEST_CASE("a file that cannot be written, or must not be, says why") {
  const std::filesystem::path nowhere = "/nonexistent/model.gguf";
  const auto message = message_of(ErrorKind::backend, [&] { write_gguf(nowhere, {}, {}); });
  REQUIRE(message);
  CHECK_THAT(*message, Contains("/nonexistent/model.gguf") && Contains("No such file"));
  const auto contract = [&](const GgufEntries& entries, const std::vector<GgufTensorSource>& tensors) {
    return message_of(ErrorKind::contract, [&] { write_gguf(nowhere, entries, tensors); }).value_or("");
  };
  CHECK_THAT(contract({{"k", true}, {"k", false}}, {}), Contains("key k is given twice"));
  CHECK_THAT(contract({}, {constant("w", {2}, "F32", 0), constant("w", {2}, "F32", 0)}), Contains("tensor w is given twice"));
  CHECK_THAT(contract({}, {constant("w", {32}, "Q4_1", 0)}), Contains("Q4_1, which is not written here"));
  CHECK_THAT(contract({}, {constant("w", {2, 33}, "Q8_0", 0)}), Contains("no whole blocks of Q8_0"));
  CHECK(gguf_can_write("Q8_0", 64));
  CHECK_FALSE(gguf_can_write("Q8_0", 33));
  CHECK_FALSE(gguf_can_write("Q4_K", 256));
}

}  // namespace grpo
