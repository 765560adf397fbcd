/// Cutting text at the matches of a pattern, as the pre-tokenizers of tokenizer.json do.
///
/// Patterns are written for Oniguruma and run on PCRE2 (UTF, Unicode properties, JIT where it exists); what the two
/// read differently is rewritten first (pattern_spelling.hpp). Time is bounded: a match that exceeds its step limit
/// gives up on 4 KiB of text, which then stay one uncut piece.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace grpo {

/// What becomes of a match; names as in tokenizer.json.
enum class SplitBehavior { removed, isolated, merged_with_previous, merged_with_next, contiguous };

/// Immutable after construction. thread: split() may be called from many threads at once.
class SplitPattern {
 public:
  /// `literal`: the pattern is plain text. throws: Error{data} with the pattern, the place
  /// in it and the reason
  explicit SplitPattern(const std::string& pattern, bool literal = false);

  /// Appends the non-empty pieces of `text`, in order. `text` is valid UTF-8. cost: about 20-100 ns per piece
  void split(std::string_view text, SplitBehavior behavior, bool invert, std::vector<std::string_view>& out) const;

  struct Match {
    std::size_t begin = 0;
    std::size_t end = 0;
  };
  /// All matches from left to right; an empty match directly behind another match does not count.
  void find(std::string_view text, std::vector<Match>& out) const;

 private:
  struct Compiled;
  struct Free {
    void operator()(Compiled* compiled) const noexcept;
  };
  std::unique_ptr<Compiled, Free> compiled_;
};

/// Cuts at given matches, from left to right and not overlapping: what SplitPattern::split does with those it finds.
void cut_at(std::string_view text, const std::vector<SplitPattern::Match>& matches, SplitBehavior behavior, bool invert,
            std::vector<std::string_view>& out);

/// The pattern of GPT-2, which the ByteLevel pre-tokenizer applies when it says use_regex.
inline constexpr std::string_view kGpt2Pattern = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

}  // namespace grpo
