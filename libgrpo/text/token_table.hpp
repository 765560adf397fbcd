/// Strings -> ids, for vocabularies: exact look-up by open addressing.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace grpo {

/// Immutable once filled. thread: find() may be called from many threads at once.
class StringIndex {
 public:
  /// Room for `count` keys of `bytes` bytes in all; more must not be put in.
  void reserve(std::size_t count, std::size_t bytes);
  /// Of two equal keys the later counts. Empty keys are not kept.
  void put(std::string_view key, std::int32_t id);
  /// -1 if absent. cost: about 10 ns for short keys
  [[nodiscard]] std::int32_t find(std::string_view key) const noexcept;

 private:
  struct Slot {
    std::uint64_t hash = 0;
    std::uint64_t begin = 0;
    std::uint32_t length = 0;
    std::int32_t id = -1;  // -1: free
  };
  [[nodiscard]] std::size_t slot_of(std::string_view key, std::uint64_t hash) const noexcept;

  std::string bytes_;
  std::vector<Slot> slots_;  // power-of-two size
};

/// Token strings, and their ids.
class TokenTable {
 public:
  TokenTable() = default;
  /// Index is id; empty strings are holes. Of two equal strings the later counts.
  explicit TokenTable(std::vector<std::string> tokens);
  /// -1 if absent
  [[nodiscard]] std::int32_t find(std::string_view token) const noexcept { return index_.find(token); }
  [[nodiscard]] const std::vector<std::string>& tokens() const noexcept { return tokens_; }

 private:
  std::vector<std::string> tokens_;
  StringIndex index_;
};

/// The id of "<0x0A>", the token that stands for a byte where characters have no token of their own; -1 if absent.
std::int32_t find_byte_token(const TokenTable& table, std::uint8_t byte) noexcept;

}  // namespace grpo
