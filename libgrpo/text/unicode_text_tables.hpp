/// Sets and mappings of characters, as the `tokenizers` package of tests/oracle/requirements.txt holds them; the rows
/// are made by tests/oracle/tokens_unicode.py. Canonical forms are not in here: unicode_nfc_tables.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace grpo::unicode {

struct CodeRange {
  std::uint32_t begin;
  std::uint32_t end;  ///< inclusive
};

/// A set of characters: ordered ranges. cost: a comparison below U+0080, else O(log n)
class CodeSet {
 public:
  template <std::size_t N>
  explicit constexpr CodeSet(const CodeRange (&rows)[N]) : rows_(rows) {
    for (const CodeRange& row : rows_) {
      for (std::uint32_t c = row.begin; c <= row.end && c < 128; ++c) ascii_[c] = true;
    }
  }
  [[nodiscard]] bool has(char32_t c) const noexcept { return c < 128 ? ascii_[c] : search(c); }

 private:
  [[nodiscard]] bool search(char32_t c) const noexcept;

  std::span<const CodeRange> rows_;
  bool ascii_[128] = {};
};

struct CodeMapping {
  std::uint32_t from;
  std::uint16_t begin;  ///< in the pool
  std::uint16_t length;
};

/// Character -> characters. cost: O(log n)
struct CodeMap {
  std::span<const CodeMapping> rows;
  std::span<const std::uint32_t> pool;

  /// nullptr if `c` stays as it is
  [[nodiscard]] const CodeMapping* find(char32_t c) const noexcept;
};

extern const CodeSet kWord;            ///< \w of the Whitespace pre-tokenizer and of single_word tokens
extern const CodeSet kDigit;           ///< what the Digits pre-tokenizer cuts out
extern const CodeSet kPunctuation;     ///< what Punctuation and BertPreTokenizer cut at
extern const CodeSet kAccent;          ///< what StripAccents drops
extern const CodeSet kNonspacingMark;  ///< what BertNormalizer's strip_accents drops
extern const CodeSet kUnclean;         ///< what BertNormalizer's clean_text drops
extern const CodeSet kCleanSpace;      ///< what it turns into a blank
extern const CodeSet kChinese;         ///< what its handle_chinese_chars puts blanks around
extern const CodeMap kLower;           ///< Lowercase
extern const CodeMap kCompatibility;   ///< full decompositions of NFKD where NFD differs

}  // namespace grpo::unicode
