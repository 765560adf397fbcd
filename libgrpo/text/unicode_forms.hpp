/// Unicode normalization forms (UAX #15), as the `tokenizers` package computes them: its tables of combining marks end
/// at Unicode 10, and ids must be the same.
#pragma once

#include <string>
#include <string_view>

namespace grpo {

enum class NormalForm { nfc, nfd, nfkc, nfkd };

/// `text` is valid UTF-8. cost: O(n log n); text that is surely in the form already is returned as it is
std::string to_normal_form(std::string_view text, NormalForm form);

inline std::string to_nfc(std::string_view text) { return to_normal_form(text, NormalForm::nfc); }

}  // namespace grpo
