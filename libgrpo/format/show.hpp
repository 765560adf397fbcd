/// Bytes of a file as they may appear in a message. Internal to format/.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace grpo::detail {

/// Printable, one line, not endless.
inline std::string shown(std::string_view raw) {
  constexpr std::size_t kLongest = 80;
  std::string text;
  for (const char c : raw.substr(0, kLongest)) text += (c >= 0x20 && c < 0x7F) ? c : '?';
  if (raw.size() > kLongest) text += "...";
  return text;
}

/// {2, 3} as "2,3"
inline std::string joined(const std::vector<std::int64_t>& numbers) {
  std::string text;
  for (const std::int64_t number : numbers) {
    if (!text.empty()) text += ',';
    text += std::to_string(number);
  }
  return text;
}

}  // namespace grpo::detail
