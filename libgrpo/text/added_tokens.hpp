/// Tokens that are found in text as a whole before anything else happens: special tokens and those added by users.
///
/// Rules of the `tokenizers` package: at the leftmost place where one begins, the longest wins; single_word tokens
/// count only between non-word characters; lstrip and rstrip swallow white space beside them.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace grpo {

struct AddedToken {
  std::int32_t id = 0;
  std::string content;
  bool single_word = false;
  bool lstrip = false;
  bool rstrip = false;
  bool normalized = false;  ///< looked for after normalisation instead of before
  bool special = false;
};

/// Immutable after construction. thread: split() may be called from many threads at once.
class AddedTokenFinder {
 public:
  AddedTokenFinder() = default;
  /// Empty contents are left out. `tokens[i].content` is what is searched for.
  explicit AddedTokenFinder(std::vector<AddedToken> tokens);

  struct Part {
    std::int32_t id = -1;  ///< -1: ordinary text
    std::string_view text;
  };
  /// Parts of `text` in order; ordinary parts are not empty. cost: O(n) unless tokens share long starts
  void split(std::string_view text, std::vector<Part>& out) const;

  [[nodiscard]] bool empty() const noexcept { return tokens_.empty(); }

 private:
  struct Node {
    unsigned char byte = 0;
    std::int32_t child = -1;
    std::int32_t sibling = -1;
    std::int32_t token = -1;  // index into tokens_
  };
  [[nodiscard]] std::int32_t child_of(std::int32_t node, unsigned char byte) const noexcept;
  [[nodiscard]] std::int32_t longest_at(std::string_view text, std::size_t at) const noexcept;

  std::vector<AddedToken> tokens_;
  std::vector<Node> nodes_;
  std::array<std::int32_t, 256> roots_{};  // first byte -> node, -1 if no token begins so
};

}  // namespace grpo
