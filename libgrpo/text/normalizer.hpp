/// The normalisers of tokenizer.json that byte-level tokenizers use: NFC, Prepend, Replace, and sequences of them.
#pragma once

#include "libgrpo/text/split_pattern.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace grpo {

/// Unicode Normalization Form C (UAX #15) of valid UTF-8. cost: O(n log n); text below U+0300 is returned as it is
std::string to_nfc(std::string_view text);

/// Immutable once filled. thread: apply() may be called from many threads at once.
class Normalizer {
 public:
  void add_nfc() { steps_.push_back({Kind::nfc, {}, {}}); }
  void add_prepend(std::string text) { steps_.push_back({Kind::prepend, {}, std::move(text)}); }
  void add_replace(SplitPattern pattern, std::string by);

  [[nodiscard]] bool empty() const noexcept { return steps_.empty(); }
  [[nodiscard]] std::string apply(std::string_view text) const;

 private:
  enum class Kind { nfc, prepend, replace };
  struct Step {
    Kind kind;
    std::vector<SplitPattern> pattern;  // one for replace, else none
    std::string text;
  };
  std::vector<Step> steps_;
};

}  // namespace grpo
