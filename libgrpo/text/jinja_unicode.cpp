#include "libgrpo/text/jinja_unicode.hpp"

#include <locale.h>
#include <algorithm>
#include <clocale>
#include <cstring>
#include <cwctype>

namespace grpo::jinja {
namespace {

/// Bytes of the valid sequence at `at`, 0 if there is none.
std::size_t valid_sequence(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const unsigned lead = byte(at);
  if (lead < 0x80) return 1;
  const std::size_t size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4) return 0;
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(at + i) & 0xC0U) != 0x80U) return 0;
  }
  const unsigned second = byte(at + 1);
  if ((lead == 0xE0 && second < 0xA0) || (lead == 0xED && second > 0x9F)) return 0;
  if ((lead == 0xF0 && second < 0x90) || (lead == 0xF4 && second > 0x8F)) return 0;
  return size;
}

/// The C library's tables for all of Unicode; without that locale only ASCII has case.
locale_t unicode_locale() {
  static const locale_t locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  return locale;
}

char32_t upper_of(char32_t c) {
  if (c < 0x80) return c >= 'a' && c <= 'z' ? c - 32 : c;
  return unicode_locale() ? static_cast<char32_t>(towupper_l(static_cast<wint_t>(c), unicode_locale())) : c;
}

char32_t lower_of(char32_t c) {
  if (c < 0x80) return c >= 'A' && c <= 'Z' ? c + 32 : c;
  return unicode_locale() ? static_cast<char32_t>(towlower_l(static_cast<wint_t>(c), unicode_locale())) : c;
}

constexpr char32_t kSharpS = 0xDF;

void append_upper(std::string& out, char32_t c, bool title_case = false) {
  if (c == kSharpS) {
    out += title_case ? "Ss" : "SS";
  } else {
    append_utf8(out, upper_of(c));
  }
}

bool is_line_end(char32_t c) { return (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029; }

}  // namespace

std::optional<std::size_t> first_invalid_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size = valid_sequence(text, at);
    if (size == 0) return at;
    at += size;
  }
  return std::nullopt;
}

std::string to_valid_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size = valid_sequence(text, at);
    if (size == 0) {
      append_utf8(out, 0xFFFD);
      ++at;
    } else {
      out.append(text, at, size);
      at += size;
    }
  }
  return out;
}

char32_t decode_utf8(std::string_view text, std::size_t& position) {
  const auto byte = [&](std::size_t i) -> char32_t { return static_cast<unsigned char>(text[position + i]); };
  const char32_t lead = byte(0);
  const std::size_t size = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  char32_t c = lead;
  if (size == 2) c = (lead & 0x1FU) << 6 | (byte(1) & 0x3FU);
  if (size == 3) c = (lead & 0x0FU) << 12 | (byte(1) & 0x3FU) << 6 | (byte(2) & 0x3FU);
  if (size == 4) c = (lead & 0x07U) << 18 | (byte(1) & 0x3FU) << 12 | (byte(2) & 0x3FU) << 6 | (byte(3) & 0x3FU);
  position += size;
  return c;
}

void append_utf8(std::string& text, char32_t c) {
  const auto put = [&](char32_t value) { text += static_cast<char>(static_cast<unsigned char>(value)); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0U | c >> 6);
    put(0x80U | (c & 0x3FU));
  } else if (c < 0x10000) {
    put(0xE0U | c >> 12);
    put(0x80U | (c >> 6 & 0x3FU));
    put(0x80U | (c & 0x3FU));
  } else {
    put(0xF0U | c >> 18);
    put(0x80U | (c >> 12 & 0x3FU));
    put(0x80U | (c >> 6 & 0x3FU));
    put(0x80U | (c & 0x3FU));
  }
}

bool is_ascii(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
}

std::int64_t code_points(std::string_view text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; });
}

std::vector<std::size_t> code_point_offsets(std::string_view text) {
  std::vector<std::size_t> offsets;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xC0U) != 0x80U) offsets.push_back(i);
  }
  offsets.push_back(text.size());
  return offsets;
}

bool is_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) ||
         c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool is_upper(char32_t c) { return c < 0x80 ? c >= 'A' && c <= 'Z' : lower_of(c) != c; }
bool is_lower(char32_t c) { return c < 0x80 ? c >= 'a' && c <= 'z' : c == kSharpS || upper_of(c) != c; }

bool is_alphabetic(char32_t c) {
  if (c < 0x80) return is_upper(c) || is_lower(c);
  return unicode_locale() && iswalpha_l(static_cast<wint_t>(c), unicode_locale()) != 0;
}

std::string_view strip(std::string_view text, bool left, bool right, const std::string_view* chars) {
  std::vector<char32_t> set;
  if (chars) {
    for (std::size_t at = 0; at < chars->size();) set.push_back(decode_utf8(*chars, at));
    std::sort(set.begin(), set.end());
  }
  const auto goes = [&](char32_t c) { return chars ? std::binary_search(set.begin(), set.end(), c) : is_space(c); };
  while (left && !text.empty()) {
    std::size_t next = 0;
    if (!goes(decode_utf8(text, next))) break;
    text.remove_prefix(next);
  }
  while (right && !text.empty()) {
    std::size_t start = text.size() - 1;
    while (start > 0 && (static_cast<unsigned char>(text[start]) & 0xC0U) == 0x80U) --start;
    std::size_t at = start;
    if (!goes(decode_utf8(text, at))) break;
    text = text.substr(0, start);
  }
  return text;
}

std::string to_upper(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) append_upper(out, decode_utf8(text, at));
  return out;
}

std::string to_lower(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) append_utf8(out, lower_of(decode_utf8(text, at)));
  return out;
}

std::string capitalize(std::string_view text) {
  std::string out;
  std::size_t at = 0;
  if (!text.empty()) append_upper(out, decode_utf8(text, at), true);
  return out + to_lower(text.substr(at));
}

std::string title(std::string_view text) {
  std::string out;
  bool inside = false;
  for (std::size_t at = 0; at < text.size();) {
    const char32_t c = decode_utf8(text, at);
    if (inside) {
      append_utf8(out, lower_of(c));
    } else {
      append_upper(out, c, true);
    }
    inside = is_upper(c) || is_lower(c);
  }
  return out;
}

std::string swap_case(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const char32_t c = decode_utf8(text, at);
    if (is_upper(c)) {
      append_utf8(out, lower_of(c));
    } else {
      append_upper(out, c);
    }
  }
  return out;
}

std::size_t find_text(std::string_view text, std::string_view pattern, std::size_t from) {
  if (from > text.size()) return std::string_view::npos;
  if (pattern.empty()) return from;
  if (pattern.size() == 1) return text.find(pattern[0], from);
  // memmem is linear in glibc; std::string_view::find is quadratic for patterns made to hurt.
  const void* hit = memmem(text.data() + from, text.size() - from, pattern.data(), pattern.size());
  if (!hit) return std::string_view::npos;
  return static_cast<std::size_t>(static_cast<const char*>(hit) - text.data());
}

std::size_t rfind_text(std::string_view text, std::string_view pattern) {
  const std::string reversed_text(text.rbegin(), text.rend());
  const std::string reversed_pattern(pattern.rbegin(), pattern.rend());
  const std::size_t hit = find_text(reversed_text, reversed_pattern);
  return hit == std::string_view::npos ? hit : text.size() - hit - pattern.size();
}

std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends) {
  std::vector<std::string_view> lines;
  std::size_t start = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = at;
    const char32_t c = decode_utf8(text, at);
    if (!is_line_end(c)) continue;
    if (c == '\r' && at < text.size() && text[at] == '\n') ++at;
    lines.push_back(text.substr(start, (keep_ends ? at : end) - start));
    start = at;
  }
  if (start < text.size()) lines.push_back(text.substr(start));
  return lines;
}

}  // namespace grpo::jinja
