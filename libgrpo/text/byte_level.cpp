#include "libgrpo/text/byte_level.hpp"

#include "libgrpo/base/utf8.hpp"

#include <array>

namespace grpo {
namespace {

struct ByteTables {
  std::array<char32_t, 256> character{};
  std::array<std::int16_t, 0x144> byte{};  // -1: no byte is spelled so
};

constexpr ByteTables make_byte_tables() {
  ByteTables tables;
  for (auto& value : tables.byte) value = -1;
  char32_t moved = 0x100;
  for (std::uint32_t b = 0; b < 256; ++b) {
    const bool printable = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
    const char32_t c = printable ? b : moved++;
    tables.character[b] = c;
    tables.byte[c] = static_cast<std::int16_t>(b);
  }
  return tables;
}

constexpr ByteTables kBytes = make_byte_tables();

}  // namespace

char32_t byte_level_character(std::uint8_t byte) noexcept { return kBytes.character[byte]; }

std::string byte_level_encode(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char byte : bytes) append_utf8(out, kBytes.character[static_cast<unsigned char>(byte)]);
  return out;
}

std::string byte_level_decode(std::string_view token) {
  std::string bytes;
  bytes.reserve(token.size());
  for (std::size_t at = 0; at < token.size();) {
    const Utf8Step step = utf8_step(token, at);
    if (!step.valid || step.code_point >= kBytes.byte.size() || kBytes.byte[step.code_point] < 0) return std::string(token);
    bytes.push_back(static_cast<char>(static_cast<unsigned char>(kBytes.byte[step.code_point])));
    at += step.length;
  }
  return bytes;
}

}  // namespace grpo
