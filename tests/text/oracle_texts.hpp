/// What tokens_oracle.py and tokens_kinds_oracle.py write and this side makes again: bytes, digests, random texts.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace grpo::testing {

using nlohmann::json;
using Ids = std::vector<std::int32_t>;

inline std::string from_hex(const json& hex) {
  const auto& digits = hex.get_ref<const std::string&>();
  const auto value = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  std::string bytes;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2) bytes.push_back(static_cast<char>(value(digits[i]) * 16 + value(digits[i + 1])));
  return bytes;
}

/// FNV-1a over little-endian int32: count, then numbers.
class Digest {
 public:
  void add(const Ids& ids) { add_all(ids); }
  void add(const std::string& text) {
    Ids bytes;
    for (const char c : text) bytes.push_back(static_cast<unsigned char>(c));
    add_all(bytes);
  }
  [[nodiscard]] std::string text() const {
    std::string out(16, '0');
    for (std::size_t i = 0; i < 16; ++i) out[i] = "0123456789abcdef"[(value_ >> (60 - 4 * i)) & 15];
    return out;
  }

 private:
  void add_all(const Ids& ids) {
    add_number(static_cast<std::uint32_t>(ids.size()));
    for (const std::int32_t id : ids) add_number(static_cast<std::uint32_t>(id));
  }
  void add_number(std::uint32_t number) {
    for (int shift = 0; shift < 32; shift += 8) value_ = (value_ ^ ((number >> shift) & 0xFF)) * 0x100000001B3ULL;
  }
  std::uint64_t value_ = 0xCBF29CE484222325ULL;
};

/// Generator of tokens_oracle.py.
class Generator {
 public:
  explicit Generator(std::uint64_t seed) : state_(seed) {}
  std::size_t below(std::size_t n) {
    state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
    return static_cast<std::size_t>(state_ >> 33) % n;
  }
  std::string text(const std::vector<std::string>& fragments) {
    std::string out;
    for (std::size_t left = below(40); left > 0; --left) {
      if (below(8) == 0) {
        out.push_back(static_cast<char>(static_cast<unsigned char>(below(256))));
      } else {
        out += fragments[below(fragments.size())];
      }
    }
    return out;
  }

 private:
  std::uint64_t state_;
};

}  // namespace grpo::testing
