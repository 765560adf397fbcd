/// SentencePiece's precompiled_charsmap: rewriting rules for characters, as a double-array trie and a pool of results.
///
/// Format (sentencepiece, normalizer.cc; Darts-clone): u32 size of the trie in bytes, little-endian u32 units, then the
/// results, each ended by a zero byte. Applied as the `tokenizers` package does: a grapheme cluster of fewer than 6
/// bytes whose start has a rule is replaced whole by the result of its shortest such start; otherwise each character
/// is looked up by itself.
#pragma once

#include "libgrpo/text/split_pattern.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace grpo {

/// Immutable after construction. thread: apply() may be called from many threads at once.
class PrecompiledMap {
 public:
  /// `bytes`: the decoded charsmap. throws: Error{data} if it is cut short or its results are no UTF-8
  explicit PrecompiledMap(std::string_view bytes);

  /// `text` is valid UTF-8. cost: O(n)
  [[nodiscard]] std::string apply(std::string_view text) const;

 private:
  [[nodiscard]] std::optional<std::string_view> result_of(std::string_view part) const noexcept;
  void append(std::string_view cluster, std::string& out) const;

  std::vector<std::uint32_t> units_;
  std::string results_;
  SplitPattern clusters_{"\\X"};
};

/// throws: Error{data} for text that is not base64
std::string decode_base64(std::string_view text);

}  // namespace grpo
