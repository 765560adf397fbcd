/// The merge rules of byte-pair encoding over byte-level symbols: one piece of text -> ids.
///
/// Algorithm (Sennrich et al. 2016): start with one symbol per byte; while any adjacent pair has a rule, join the pair
/// with the lowest rank, leftmost first. Bytes without a token give the unknown token, or nothing if there is none,
/// as in the `tokenizers` package. No dropout, no caching.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace grpo {

/// Token strings, and their ids by open addressing.
class TokenTable {
 public:
  TokenTable() = default;
  /// Index is id; empty strings are holes. Of two equal strings the later counts.
  explicit TokenTable(std::vector<std::string> tokens);
  /// -1 if absent
  [[nodiscard]] std::int32_t find(std::string_view token) const noexcept;
  [[nodiscard]] const std::vector<std::string>& tokens() const noexcept { return tokens_; }

 private:
  std::vector<std::string> tokens_;
  std::vector<std::int32_t> slots_;  // power-of-two size, -1 is free
};

/// A byte's spelling in vocabularies: printable Latin-1 stands for itself, the others are moved to U+0100 and up.
char32_t byte_level_character(std::uint8_t byte) noexcept;
/// The inverse for a token; a token with any other character is its own bytes.
std::string byte_level_decode(std::string_view token);
std::string byte_level_encode(std::string_view bytes);

/// Immutable after construction. thread: encode() may be called from many threads at once.
class BpeModel {
 public:
  struct Options {
    bool ignore_merges = false;    ///< a piece that is a token is that token, whatever the rules say
    std::int32_t unknown_id = -1;  ///< for bytes without token; -1: such bytes vanish
    bool fuse_unknown = false;     ///< neighbouring unknown bytes give one unknown token
  };
  using Merges = std::vector<std::pair<std::string_view, std::string_view>>;

  /// Merges in order of rank. throws: Error{data} with the rule's number if one of its three tokens does not exist
  BpeModel(const TokenTable& table, const Merges& merges, const Options& options);

  /// Appends the ids of one piece (raw bytes). `table` is that of the constructor. cost: O(n log n), n = bytes
  void encode(std::string_view piece, const TokenTable& table, std::vector<std::int32_t>& out) const;

  /// The rules as id pairs, in order of rank.
  [[nodiscard]] const std::vector<std::pair<std::int32_t, std::int32_t>>& merges() const noexcept { return merges_; }

 private:
  struct Rule {
    std::uint64_t pair = 0;
    std::int32_t rank = 0;
    std::int32_t result = 0;
  };
  [[nodiscard]] const Rule* find_rule(std::int32_t left, std::int32_t right) const noexcept;
  void merge_short(std::int32_t* ids, std::size_t count, std::vector<std::int32_t>& out) const;
  void merge_long(const std::vector<std::int32_t>& ids, std::vector<std::int32_t>& out) const;

  Options options_;
  std::array<std::int32_t, 256> byte_ids_{};
  std::vector<std::pair<std::int32_t, std::int32_t>> merges_;
  std::vector<Rule> rules_;  // open addressing, power-of-two size
};

}  // namespace grpo
