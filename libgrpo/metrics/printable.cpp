#include "libgrpo/metrics/printable.hpp"

#include "libgrpo/base/utf8.hpp"

#include <fmt/format.h>

namespace grpo {
namespace {

bool is_hidden(char32_t c) {
  return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x061C || (c >= 0x200B && c <= 0x200F) || (c >= 0x2028 && c <= 0x202E) ||
         (c >= 0x2060 && c <= 0x2069) || c == 0xFEFF;
}

}  // namespace

std::string printable_line(std::string_view text, std::size_t characters) {
  std::string line;
  for (std::size_t at = 0, count = 0; at < text.size(); ++count) {
    if (count == characters) return line + "...";
    const Utf8Step step = utf8_step(text, at);
    const auto code = static_cast<unsigned>(step.code_point);
    if (code == '\n')
      line += "\\n";
    else if (code == '\t')
      line += "\\t";
    else if (code == '\\')
      line += "\\\\";
    else if (is_hidden(step.code_point))
      line += code < 0x100 ? fmt::format("\\x{:02x}", code) : fmt::format("\\u{:04x}", code);
    else
      append_utf8(line, step.code_point);
    at += step.length;
  }
  return line;
}

}  // namespace grpo
