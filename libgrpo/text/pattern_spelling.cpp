#include "libgrpo/text/pattern_spelling.hpp"

#include <fmt/format.h>
#include <utility>

namespace grpo {
namespace {

// Letters, numbers and marks that came with Unicode 15 and 16, which Oniguruma knows and older PCRE2 does not.
constexpr std::string_view kLetters =
    R"(\p{L}\x{1C89}-\x{1C8A}\x{A7CB}-\x{A7CD}\x{A7DA}-\x{A7DC}\x{105C0}-\x{105F3}\x{10D4A}-\x{10D65}\x{10D6F}-\x{10D85})"
    R"(\x{10EC2}-\x{10EC4}\x{1123F}-\x{11240}\x{11380}-\x{11389}\x{1138B}\x{1138E}\x{11390}-\x{113B5}\x{113B7}\x{113D1})"
    R"(\x{113D3}\x{11BC0}-\x{11BE0}\x{11F02}\x{11F04}-\x{11F10}\x{11F12}-\x{11F33}\x{1342F}\x{13441}-\x{13446})"
    R"(\x{13460}-\x{143FA}\x{16100}-\x{1611D}\x{16D40}-\x{16D6C}\x{18CFF}\x{1B132}\x{1B155}\x{1DF25}-\x{1DF2A})"
    R"(\x{1E030}-\x{1E06D}\x{1E4D0}-\x{1E4EB}\x{1E5D0}-\x{1E5ED}\x{1E5F0}\x{2B739}\x{2EBF0}-\x{2EE5D}\x{31350}-\x{323AF})";
constexpr std::string_view kNumbers =
    R"(\p{N}\x{10D40}-\x{10D49}\x{116D0}-\x{116E3}\x{11BF0}-\x{11BF9}\x{11F50}-\x{11F59}\x{16130}-\x{16139})"
    R"(\x{16D70}-\x{16D79}\x{1CCF0}-\x{1CCF9}\x{1D2C0}-\x{1D2D3}\x{1E4F0}-\x{1E4F9}\x{1E5F1}-\x{1E5FA})";
constexpr std::string_view kDecimals =
    R"(\p{Nd}\x{10D40}-\x{10D49}\x{116D0}-\x{116E3}\x{11BF0}-\x{11BF9}\x{11F50}-\x{11F59}\x{16130}-\x{16139})"
    R"(\x{16D70}-\x{16D79}\x{1CCF0}-\x{1CCF9}\x{1E4F0}-\x{1E4F9}\x{1E5F1}-\x{1E5FA})";
constexpr std::string_view kMarks =
    R"(\p{M}\x{897}\x{CF3}\x{ECE}\x{10D69}-\x{10D6D}\x{10EFC}-\x{10EFF}\x{11241}\x{113B8}-\x{113C0}\x{113C2}\x{113C5})"
    R"(\x{113C7}-\x{113CA}\x{113CC}-\x{113D0}\x{113D2}\x{113E1}-\x{113E2}\x{11F00}-\x{11F01}\x{11F03}\x{11F34}-\x{11F3A})"
    R"(\x{11F3E}-\x{11F42}\x{11F5A}\x{13440}\x{13447}-\x{13455}\x{1611E}-\x{1612F}\x{1E08F}\x{1E4EC}-\x{1E4EF})"
    R"(\x{1E5EE}-\x{1E5EF})";

constexpr std::string_view kSpace = R"(\t-\r\x{85}\p{Z})";
constexpr std::string_view kWordRest =  // beside letters, marks, decimals: letter-like signs, six Latin-1 numbers
    R"(\p{Nl}\p{Pc}\x{B2}\x{B3}\x{B9}\x{BC}-\x{BE}\x{24B6}-\x{24E9}\x{1F130}-\x{1F149}\x{1F150}-\x{1F169})"
    R"(\x{1F170}-\x{1F189})";
constexpr std::string_view kHex = "0-9A-Fa-f";

/// Members of the set that the escape at pattern[at] (behind the backslash) names; empty if it can stay as it is.
/// Moves `at` to the escape's last byte.
std::string members_of(std::string_view pattern, std::size_t& at, bool& negated, bool common) {
  negated = pattern[at] >= 'A' && pattern[at] <= 'Z';
  switch (pattern[at]) {
    case 's':
    case 'S': return std::string(common ? "" : kSpace);
    case 'd':
    case 'D': return std::string(common ? "" : kDecimals);
    case 'w':
    case 'W': return fmt::format("{}{}{}{}", kLetters, kMarks, kDecimals, kWordRest);
    case 'h':
    case 'H': return std::string(kHex);
    case 'p':
    case 'P': break;
    default: return {};
  }
  if (common) return {};
  const std::string_view rest = pattern.substr(at + 1);
  for (const auto& [name, members] :
       {std::pair{std::string_view("{L}"), kLetters}, {"{N}", kNumbers}, {"{Nd}", kDecimals}, {"{M}", kMarks}}) {
    if (!rest.starts_with(name)) continue;
    at += name.size();
    return std::string(members);
  }
  return {};
}

}  // namespace

std::string spell_out_shorthands(std::string_view pattern, bool common) {
  std::string out;
  bool in_class = false;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c == '\\' && i + 1 < pattern.size()) {
      const std::size_t first = ++i;
      bool negated = false;
      const std::string members = members_of(pattern, i, negated, common);
      if (members.empty() || (negated && in_class)) {  // a negated set inside a class cannot be spelled out
        out.append("\\").append(pattern.substr(first, i - first + 1));
      } else if (in_class) {
        out += members;
      } else {
        out += fmt::format("[{}{}]", negated ? "^" : "", members);
      }
      continue;
    }
    out += c;
    if (c == ']') in_class = false;
    if (c != '[' || in_class) continue;
    in_class = true;
    if (i + 1 < pattern.size() && pattern[i + 1] == '^') out += pattern[++i];
    if (i + 1 < pattern.size() && pattern[i + 1] == ']') {  // a bracket in first place is an ordinary member
      out += R"(\])";
      ++i;
    }
  }
  return out;
}

bool is_common_text(std::string_view text) noexcept {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const unsigned lead = byte(i);
    if (lead < 0xE0) continue;
    const unsigned second = byte(i + 1);
    if (lead >= 0xF0) {
      if (lead != 0xF0 || second != 0x9F) return false;  // beyond U+FFFF only the block of emoji is known to be common
      continue;
    }
    // U+0897 U+0CF3 U+0ECE, U+180E, U+1C89.., U+A7CB.., by their first two bytes.
    if (lead == 0xE0 && (second == 0xA2 || second == 0xB3 || second == 0xBB)) return false;
    if (lead == 0xE1 && (second == 0xA0 || second == 0xB2)) return false;
    if (lead == 0xEA && second == 0x9F) return false;
  }
  return true;
}

}  // namespace grpo
