/// The merge rules of byte-pair encoding: one piece of text -> ids.
///
/// Algorithm (Sennrich et al. 2016): start with one symbol per character (or per byte, for byte-level vocabularies);
/// while any adjacent pair has a rule, join the pair with the lowest rank, leftmost first. A character without a token
/// gives the tokens of its bytes if byte_fallback says so and all of them exist, else the unknown token, or nothing if
/// there is none, as in the `tokenizers` package. No dropout: ids do not depend on chance. Nothing is cached; pieces
/// that are one token at the end are known from the start.
#pragma once

#include "libgrpo/text/piece_model.hpp"
#include "libgrpo/text/token_table.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace grpo {

/// Immutable after construction. thread: encode() may be called from many threads at once.
class BpeModel final : public PieceModel {
 public:
  struct Options {
    bool byte_level = false;       ///< pieces are raw bytes, tokens are in byte-level spelling (byte_level.hpp)
    bool ignore_merges = false;    ///< a piece that is a token is that token, whatever the rules say
    std::int32_t unknown_id = -1;  ///< for characters without token; -1: they vanish
    bool fuse_unknown = false;     ///< neighbouring unknown characters give one unknown token
    bool byte_fallback = false;    ///< tokens <0x00> to <0xFF> spell characters that have no token
    std::string prefix;            ///< continuing_subword_prefix: in front of every symbol of a piece but the first
    std::string suffix;            ///< end_of_word_suffix: behind the last symbol of a piece
  };
  using Merges = std::vector<std::pair<std::string_view, std::string_view>>;

  /// Merges in order of rank. byte_level goes with neither byte_fallback nor prefix nor suffix.
  /// throws: Error{data} with the rule's number if one of its three tokens does not exist
  BpeModel(std::shared_ptr<const TokenTable> table, const Merges& merges, Options options);

  /// cost: O(n log n), n = bytes; O(1) for a piece that is one token
  void encode(std::string_view piece, std::vector<std::int32_t>& out) const override;

  /// The rules as id pairs, in order of rank.
  [[nodiscard]] const std::vector<std::pair<std::int32_t, std::int32_t>>& merges() const noexcept { return merges_; }
  [[nodiscard]] const Options& options() const noexcept { return options_; }

 private:
  struct Rule {
    std::uint64_t pair = 0;
    std::int32_t rank = 0;
    std::int32_t result = 0;
  };
  void read_rules(const Merges& merges);
  void find_whole_pieces();
  template <class Push>
  void symbols_of_bytes(std::string_view piece, Push&& push) const;
  template <class Push>
  void symbols_of_characters(std::string_view piece, Push&& push) const;
  template <class Push>
  bool push_bytes(std::string_view symbol, Push&& push) const;
  void merge(std::string_view piece, std::vector<std::int32_t>& out) const;
  [[nodiscard]] const Rule* find_rule(std::int32_t left, std::int32_t right) const noexcept;
  void merge_short(std::int32_t* ids, std::size_t count, std::vector<std::int32_t>& out) const;
  void merge_long(const std::vector<std::int32_t>& ids, std::vector<std::int32_t>& out) const;

  std::shared_ptr<const TokenTable> table_;
  Options options_;
  std::array<std::int32_t, 256> byte_ids_{};       // byte_level: of each byte; byte_fallback: of <0xNN>
  std::array<std::int32_t, 128> character_ids_{};  // of ASCII characters, without prefix and suffix
  StringIndex whole_;                              // pieces that are one token at the end
  std::vector<std::pair<std::int32_t, std::int32_t>> merges_;
  std::vector<Rule> rules_;  // open addressing, power-of-two size
};

}  // namespace grpo
