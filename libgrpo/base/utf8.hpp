/// UTF-8, one character at a time, with the replacement rule of Unicode chapter 3.9 ("maximal subpart"): every longest
/// start of a character that cannot be continued becomes one U+FFFD. Python's errors="replace" and Rust's lossy
/// conversion do the same.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace grpo {

struct Utf8Step {
  char32_t code_point = 0;   ///< U+FFFD if not valid
  std::uint32_t length = 0;  ///< bytes of the character or of the ill-formed part, at least 1
  bool valid = false;
  bool truncated = false;  ///< not valid only because the text ends here
};

/// The character at text[at]; at < text.size().
Utf8Step utf8_step(std::string_view text, std::size_t at) noexcept;

[[nodiscard]] bool is_utf8(std::string_view text) noexcept;

/// A copy of `text` in which each ill-formed part is U+FFFD.
[[nodiscard]] std::string replace_invalid_utf8(std::string_view text);

/// Bytes at the end of `text` that begin a character and could still be completed: 0 to 3.
[[nodiscard]] std::size_t incomplete_utf8_tail(std::string_view text) noexcept;

void append_utf8(std::string& out, char32_t code_point);

/// The White_Space property.
[[nodiscard]] bool is_unicode_space(char32_t code_point) noexcept;

}  // namespace grpo
