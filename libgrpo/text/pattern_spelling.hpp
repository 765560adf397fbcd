/// From Oniguruma's regular expressions, which tokenizer.json is written in, to PCRE2's.
#pragma once

#include <string>
#include <string_view>

namespace grpo {

/// Spells out what the two read differently. Always: \w (PCRE2's lacks combining marks) and \h (PCRE2's is a blank).
/// Unless `common`: \s (PCRE2's has U+180E) and \d, \p{L}, \p{N}, \p{Nd}, \p{M} (older PCRE2 lacks characters of
/// Unicode 15 and 16); these long classes match several times slower, so they are kept for the texts that need them.
/// Not rewritten: other properties, negated sets inside [...], nested classes and &&.
std::string spell_out_shorthands(std::string_view pattern, bool common);

/// True if no character of `text` is one that the common spelling misjudges. Cautious: false for some harmless texts.
bool is_common_text(std::string_view text) noexcept;

}  // namespace grpo
