#include "libgrpo/text/unicode_forms.hpp"

#include "libgrpo/base/utf8.hpp"
#include "libgrpo/text/unicode_nfc_tables.hpp"
#include "libgrpo/text/unicode_text_tables.hpp"

#include <algorithm>
#include <cstdint>
#include <unordered_map>
#include <vector>

namespace grpo {
namespace {

// Hangul syllables are composed by arithmetic (Unicode, section 3.12).
constexpr char32_t kSyllable = 0xAC00;
constexpr char32_t kLead = 0x1100;
constexpr char32_t kVowel = 0x1161;
constexpr char32_t kTail = 0x11A7;
constexpr char32_t kLeads = 19;
constexpr char32_t kVowels = 21;
constexpr char32_t kTails = 28;

struct Character {
  char32_t code_point;
  std::uint8_t combining_class;
};

std::uint8_t combining_class(char32_t c) {
  if (c < 0x300) return 0;
  const auto& table = unicode::kCombiningClasses;
  const auto row = std::upper_bound(table.begin(), table.end(), c, [](char32_t x, const auto& r) { return x < r.begin; });
  if (row == table.begin() || c > std::prev(row)->end) return 0;
  return std::prev(row)->value;
}

void decompose(char32_t c, bool compatible, std::vector<Character>& out) {
  if (compatible) {
    if (const unicode::CodeMapping* row = unicode::kCompatibility.find(c)) {
      for (const std::uint32_t part : unicode::kCompatibility.pool.subspan(row->begin, row->length)) {
        out.push_back({part, combining_class(part)});
      }
      return;
    }
  }
  if (c >= kSyllable && c < kSyllable + kLeads * kVowels * kTails) {
    const char32_t index = c - kSyllable;
    out.push_back({kLead + index / (kVowels * kTails), 0});
    out.push_back({kVowel + index % (kVowels * kTails) / kTails, 0});
    if (index % kTails != 0) out.push_back({kTail + index % kTails, 0});
    return;
  }
  const auto& table = unicode::kDecompositions;
  const auto row = std::lower_bound(table.begin(), table.end(), c, [](const auto& r, char32_t x) { return r.composed < x; });
  if (c < 0xC0 || row == table.end() || row->composed != c) {
    out.push_back({c, combining_class(c)});
    return;
  }
  decompose(row->first, false, out);  // depth is at most 4 in the database
  if (row->second != 0) decompose(row->second, false, out);
}

/// 0 if the two do not compose.
char32_t compose(char32_t a, char32_t b) {
  if (a >= kLead && a < kLead + kLeads && b >= kVowel && b < kVowel + kVowels) {
    return kSyllable + ((a - kLead) * kVowels + (b - kVowel)) * kTails;
  }
  if (a >= kSyllable && a < kSyllable + kLeads * kVowels * kTails && (a - kSyllable) % kTails == 0 && b > kTail && b < kTail + kTails) {
    return a + (b - kTail);
  }
  static const auto kPairs = [] {
    std::unordered_map<std::uint64_t, char32_t> pairs;
    for (const auto& row : unicode::kDecompositions) {
      if (row.recomposes) pairs.emplace((static_cast<std::uint64_t>(row.first) << 32) | row.second, row.composed);
    }
    return pairs;
  }();
  const auto found = kPairs.find((static_cast<std::uint64_t>(a) << 32) | b);
  return found == kPairs.end() ? 0 : found->second;
}

void order_marks(std::vector<Character>& text) {
  const auto is_starter = [](const Character& c) { return c.combining_class == 0; };
  for (auto at = text.begin(); at != text.end();) {
    at = std::find_if_not(at, text.end(), is_starter);
    const auto end = std::find_if(at, text.end(), is_starter);
    std::stable_sort(at, end, [](const auto& a, const auto& b) { return a.combining_class < b.combining_class; });
    at = end;
  }
}

/// Joins each character with the last starter before it unless something between blocks it; in place.
void recompose(std::vector<Character>& text) {
  constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  std::size_t starter = kNone;
  std::size_t kept = 0;
  for (const Character c : text) {
    // Marks are in order, so only the one just before can block, and a starter directly before never does.
    const bool blocked = starter != kNone && kept > starter + 1 && text[kept - 1].combining_class >= c.combining_class;
    const char32_t joined = starter != kNone && !blocked ? compose(text[starter].code_point, c.code_point) : 0;
    if (joined != 0) {
      text[starter].code_point = joined;
      continue;
    }
    if (c.combining_class == 0) starter = kept;
    text[kept++] = c;
  }
  text.resize(kept);
}

}  // namespace

std::string to_normal_form(std::string_view text, NormalForm form) {
  const bool composes = form == NormalForm::nfc || form == NormalForm::nfkc;
  // ASCII is in every form. Below U+0300 all is in NFC, and nothing there combines; its lead bytes are below 0xCC.
  const unsigned char first_changed = form == NormalForm::nfc ? 0xCC : 0x80;
  if (std::none_of(text.begin(), text.end(), [=](char c) { return static_cast<unsigned char>(c) >= first_changed; })) {
    return std::string(text);
  }
  std::vector<Character> characters;
  characters.reserve(text.size());
  const bool compatible = form == NormalForm::nfkc || form == NormalForm::nfkd;
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Step step = utf8_step(text, at);
    decompose(step.code_point, compatible, characters);
    at += step.length;
  }
  order_marks(characters);
  if (composes) recompose(characters);
  std::string out;
  out.reserve(text.size());
  for (const Character& c : characters) append_utf8(out, c.code_point);
  return out;
}

}  // namespace grpo
