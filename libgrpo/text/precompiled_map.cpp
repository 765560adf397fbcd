#include "libgrpo/text/precompiled_map.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/base/utf8.hpp"

#include <fmt/format.h>
#include <algorithm>

namespace grpo {
namespace {

constexpr std::size_t kShortCluster = 6;

std::uint32_t read_u32(std::string_view bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 4; i-- > 0;) value = (value << 8) | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

// The fields of a Darts-clone unit.
std::uint32_t label_of(std::uint32_t unit) { return unit & ((1U << 31) | 0xFF); }
std::uint32_t offset_of(std::uint32_t unit) { return (unit >> 10) << ((unit & (1U << 9)) >> 6); }
bool has_leaf(std::uint32_t unit) { return ((unit >> 8) & 1) != 0; }
std::uint32_t value_of(std::uint32_t unit) { return unit & 0x7FFFFFFF; }

int base64_value(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

}  // namespace

std::string decode_base64(std::string_view text) {
  const auto refuse = [] { throw Error(ErrorKind::data, "precompiled_charsmap is not base64"); };
  if (text.size() % 4 != 0) refuse();
  std::size_t padding = 0;
  while (padding < 2 && !text.empty() && text.back() == '=') text.remove_suffix(1), ++padding;
  std::string out;
  out.reserve(text.size() * 3 / 4);
  std::uint32_t bits = 0;
  int held = 0;
  for (const char c : text) {
    const int value = base64_value(c);
    if (value < 0) refuse();
    bits = ((bits << 6) | static_cast<std::uint32_t>(value)) & 0xFFFFFF;
    held += 6;
    if (held < 8) continue;
    held -= 8;
    out.push_back(static_cast<char>(static_cast<unsigned char>(bits >> held)));
  }
  return out;
}

PrecompiledMap::PrecompiledMap(std::string_view bytes) {
  const std::size_t size = bytes.size() < 4 ? 0 : read_u32(bytes, 0);
  if (bytes.size() < 4 || size > bytes.size() - 4 || size % 4 != 0) {
    throw Error(ErrorKind::data,
                fmt::format("precompiled_charsmap of {} bytes is damaged: its trie would have {} bytes", bytes.size(), size));
  }
  units_.reserve(size / 4);
  for (std::size_t at = 4; at < 4 + size; at += 4) units_.push_back(read_u32(bytes, at));
  results_ = bytes.substr(4 + size);
  if (!is_utf8(results_)) throw Error(ErrorKind::data, "precompiled_charsmap is damaged: its results are not UTF-8");
}

std::optional<std::string_view> PrecompiledMap::result_of(std::string_view part) const noexcept {
  if (units_.empty()) return std::nullopt;
  std::size_t at = offset_of(units_[0]);
  for (const char c : part) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte == 0) return std::nullopt;
    at ^= byte;
    if (at >= units_.size() || label_of(units_[at]) != byte) return std::nullopt;
    const std::uint32_t unit = units_[at];
    at ^= offset_of(unit);
    if (!has_leaf(unit)) continue;
    if (at >= units_.size() || value_of(units_[at]) > results_.size()) return std::nullopt;
    const std::string_view rest = std::string_view(results_).substr(value_of(units_[at]));
    const std::string_view result = rest.substr(0, rest.find('\0'));
    return is_utf8(result) ? std::optional(result) : std::nullopt;
  }
  return std::nullopt;
}

void PrecompiledMap::append(std::string_view cluster, std::string& out) const {
  if (cluster.size() < kShortCluster) {
    if (const auto result = result_of(cluster)) {
      out += *result;
      return;
    }
  }
  for (std::size_t at = 0; at < cluster.size();) {
    const std::string_view character = cluster.substr(at, utf8_step(cluster, at).length);
    out += result_of(character).value_or(character);
    at += character.size();
  }
}

std::string PrecompiledMap::apply(std::string_view text) const {
  std::string out;
  out.reserve(text.size());
  const bool simple = std::none_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80 || c == '\r'; });
  if (simple) {  // every character is a cluster
    for (std::size_t at = 0; at < text.size(); ++at) append(text.substr(at, 1), out);
    return out;
  }
  std::vector<SplitPattern::Match> clusters;
  clusters_.find(text, clusters);
  std::size_t at = 0;
  for (const SplitPattern::Match& cluster : clusters) {
    append(text.substr(at, cluster.begin - at), out);
    append(text.substr(cluster.begin, cluster.end - cluster.begin), out);
    at = cluster.end;
  }
  append(text.substr(at), out);
  return out;
}

}  // namespace grpo
