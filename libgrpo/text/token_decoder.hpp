/// The decoders of tokenizer.json, one behind the other: tokens -> text.
///
/// Each step turns a list of strings into another, as in the `tokenizers` package; at the end they are joined. Without
/// any step they are joined by blanks.
#pragma once

#include "libgrpo/text/split_pattern.hpp"
#include "libgrpo/text/tokenizer.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace grpo {

/// Immutable once filled. thread: all const members may be called from many threads at once.
class TextDecoder {
 public:
  void add_byte_level() { add(Kind::byte_level); }
  void add_byte_fallback() { add(Kind::byte_fallback); }
  void add_fuse() { add(Kind::fuse); }
  /// Up to `start` characters `content` at the beginning of each string and `stop` at its end go.
  void add_strip(std::string content, std::size_t start, std::size_t stop);
  void add_replace(SplitPattern pattern, std::string by);
  /// Plain text by plain text; `from` is not empty.
  void add_replace(std::string from, std::string by);
  /// `replacement` becomes a blank; in the first string it goes if `prepended`.
  void add_metaspace(std::string replacement, bool prepended);
  void add_word_piece(std::string prefix, bool cleanup);
  void add_bpe(std::string suffix);

  [[nodiscard]] std::size_t size() const noexcept { return steps_.size(); }
  [[nodiscard]] std::string decode(std::vector<std::string> tokens) const;
  /// Text of a token amid others: what it adds behind them.
  [[nodiscard]] std::string inner_text(const std::string& token) const;
  /// How far the text of `token` depends on its neighbours.
  [[nodiscard]] TokenFlow flow(std::string_view token) const;
  /// True if the only step is ByteLevel: text is then the tokens' bytes, one behind the other.
  [[nodiscard]] bool is_byte_level() const noexcept { return steps_.size() == 1 && steps_[0].kind == Kind::byte_level; }

 private:
  enum class Kind { byte_level, byte_fallback, fuse, strip, replace, replace_text, metaspace, word_piece, bpe };
  struct Step {
    Kind kind;
    std::vector<SplitPattern> pattern;  // one for replace, else none
    std::string from, text;             // what each kind looks for, and what it writes
    std::size_t start = 0, stop = 0;
    bool on = false;  // metaspace: prepended; word_piece: cleanup
  };
  Step& add(Kind kind);
  static void apply(const Step& step, std::vector<std::string>& tokens);

  std::vector<Step> steps_;
};

}  // namespace grpo
