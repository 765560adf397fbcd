// The characters of a template's source: line ends, and escapes in its strings.
#include "libgrpo/text/jinja_lexer.hpp"
#include "libgrpo/text/jinja_unicode.hpp"

namespace grpo::jinja {

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return 99;
}

std::string normalise_source(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
      out += '\n';
    } else {
      out += source[i];
    }
  }
  if (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      out += text[i];
      continue;
    }
    static constexpr std::string_view kLetters = "\\'\"abfnrtv";
    static constexpr std::string_view kMeaning = "\\'\"\a\b\f\n\r\t\v";
    const char c = text[++i];
    if (const std::size_t letter = kLetters.find(c); letter != std::string_view::npos) {
      out += kMeaning[letter];
    } else if (c == '\n') {
      continue;
    } else if (c >= '0' && c <= '7') {
      char32_t code = 0;
      std::size_t count = 0;
      for (; count < 3 && i + count < text.size() && text[i + count] >= '0' && text[i + count] <= '7'; ++count) {
        code = code * 8 + static_cast<char32_t>(text[i + count] - '0');
      }
      append_utf8(out, code);
      i += count - 1;
    } else if (c == 'x' || c == 'u' || c == 'U') {
      const std::size_t count = c == 'x' ? 2 : c == 'u' ? 4 : 8;
      char32_t code = 0;
      for (std::size_t k = 1; k <= count; ++k) {
        const int digit = i + k < text.size() ? hex_value(text[i + k]) : 99;
        if (digit > 15) throw Failure("a truncated \\" + std::string(1, c) + " escape");
        code = code * 16 + static_cast<char32_t>(digit);
      }
      if (code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) throw Failure("an escape that is no character");
      append_utf8(out, code);
      i += count;
    } else if (c == 'N') {
      throw Failure("\\N{...} escapes are not supported");
    } else {
      out += '\\';
      out += c;
    }
  }
  return out;
}

}  // namespace grpo::jinja
