/// The pre-tokenizers of tokenizer.json, one behind the other: text -> pieces, which the model then sees one by one.
///
/// Steps: a pattern (Split, ByteLevel's), a class of characters (WhitespaceSplit, Digits, Punctuation, CharDelimiterSplit),
/// runs of words and of signs (Whitespace), Metaspace, the spelling of bytes (ByteLevel). What each does is what the
/// `tokenizers` package does; no step sees across the pieces of the step before.
#pragma once

#include "libgrpo/text/split_pattern.hpp"

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace grpo {

/// Immutable once filled. thread: cut() may be called from many threads at once, each with an Output of its own.
class PreTokenizer {
 public:
  enum class Class { whitespace, digit, punctuation, delimiter };
  enum class Prepend { never, first, always };

  void add_pattern(SplitPattern pattern, SplitBehavior behavior, bool invert);
  /// `delimiter` is read for Class::delimiter only.
  void add_class(Class members, SplitBehavior behavior, char32_t delimiter = 0);
  void add_words() { add(Kind::words); }
  /// A space in front of each piece that has none.
  void add_prefix_space() { add(Kind::prefix_space); }
  /// Blanks become `replacement` (one character), which is also put in front; `split` cuts before each.
  void add_metaspace(std::string replacement, Prepend prepend, bool split);
  void add_byte_level() { add(Kind::byte_level); }

  [[nodiscard]] std::size_t size() const noexcept { return steps_.size(); }

  struct Piece {
    std::string_view text;
    bool first = false;  ///< begins where the whole text begins
  };
  /// Kept by the caller from text to text, so that nothing is allocated per piece.
  struct Output {
    std::vector<Piece> pieces;

   private:
    friend class PreTokenizer;
    std::vector<Piece> before;
    std::vector<std::string_view> cut;
    std::vector<SplitPattern::Match> matches;
    std::deque<std::string> owned;  // pieces that a step wrote anew
  };
  /// Fills output.pieces, none of them empty; they live as long as `text` and until the next call.
  /// `first`: `text` is the beginning of the whole.
  void cut(std::string_view text, bool first, Output& output) const;

 private:
  enum class Kind { pattern, members, words, prefix_space, metaspace, byte_level };
  struct Step {
    Kind kind;
    std::vector<SplitPattern> pattern;  // one for Kind::pattern, else none
    SplitBehavior behavior = SplitBehavior::isolated;
    bool invert = false;
    Class members = Class::whitespace;
    char32_t delimiter = 0;
    std::string replacement;
    Prepend prepend = Prepend::never;
  };
  Step& add(Kind kind);
  static void find_members(const Step& step, std::string_view text, std::vector<SplitPattern::Match>& out);
  static void apply(const Step& step, const Piece& piece, Output& output);

  std::vector<Step> steps_;
};

}  // namespace grpo
