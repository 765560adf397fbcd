// Look-ups in the tables of unicode_text_tables.hpp.
#include "libgrpo/text/unicode_text_tables.hpp"

#include <algorithm>

namespace grpo::unicode {

bool CodeSet::search(char32_t c) const noexcept {
  const auto row = std::upper_bound(rows_.begin(), rows_.end(), c, [](char32_t x, const auto& r) { return x < r.begin; });
  return row != rows_.begin() && c <= std::prev(row)->end;
}

const CodeMapping* CodeMap::find(char32_t c) const noexcept {
  const auto row = std::lower_bound(rows.begin(), rows.end(), c, [](const auto& r, char32_t x) { return r.from < x; });
  return row != rows.end() && row->from == c ? &*row : nullptr;
}

}  // namespace grpo::unicode
