/// Python's view of text, on UTF-8: code points, whitespace, case.
///
/// Every string inside the interpreter is valid UTF-8; to_valid_utf8() makes it so at the door. Case follows the C
/// library's simple mappings plus sharp s; Python's other special mappings (final sigma, ligatures) are left out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace grpo::jinja {

/// Offset of the first byte that is not valid UTF-8 (surrogates and overlong forms are not).
std::optional<std::size_t> first_invalid_utf8(std::string_view text);
/// Each invalid byte becomes U+FFFD.
std::string to_valid_utf8(std::string_view text);

/// Code point at `position`, which moves behind it.
char32_t decode_utf8(std::string_view text, std::size_t& position);
void append_utf8(std::string& text, char32_t code_point);

bool is_ascii(std::string_view text);
/// Number of code points.
std::int64_t code_points(std::string_view text);
/// Byte offset of each code point, and the end.
std::vector<std::size_t> code_point_offsets(std::string_view text);

/// str.isspace() of one character; also what \s matches.
bool is_space(char32_t c);
bool is_upper(char32_t c);
bool is_lower(char32_t c);
bool is_alphabetic(char32_t c);

/// str.strip(): whitespace, or the characters in `chars`, at the chosen ends.
std::string_view strip(std::string_view text, bool left, bool right, const std::string_view* chars = nullptr);

std::string to_upper(std::string_view text);
std::string to_lower(std::string_view text);
std::string capitalize(std::string_view text);  ///< first character upper, the others lower
std::string title(std::string_view text);       ///< str.title()
std::string swap_case(std::string_view text);

/// Byte offset of the first or last match, npos if none. cost: linear, whatever the pattern
std::size_t find_text(std::string_view text, std::string_view pattern, std::size_t from = 0);
std::size_t rfind_text(std::string_view text, std::string_view pattern);

/// Pieces between line ends, as str.splitlines().
std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends = false);

}  // namespace grpo::jinja
