#include "libgrpo/text/bpe_model.hpp"

#include "libgrpo/base/check.hpp"
#include "libgrpo/base/error.hpp"
#include "libgrpo/base/utf8.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <bit>
#include <functional>
#include <limits>
#include <queue>

namespace grpo {
namespace {

constexpr std::size_t kShortPiece = 48;  // below this, scanning for the lowest rank beats a heap
constexpr std::int32_t kNoRank = std::numeric_limits<std::int32_t>::max();
constexpr std::uint64_t kFree = std::numeric_limits<std::uint64_t>::max();

std::uint64_t pair_key(std::int32_t left, std::int32_t right) noexcept {
  return (static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32) | static_cast<std::uint32_t>(right);
}

std::size_t mix(std::uint64_t x) noexcept {
  x ^= x >> 32;
  x *= 0x9E3779B97F4A7C15ULL;
  x ^= x >> 29;
  return static_cast<std::size_t>(x);
}

struct ByteTables {
  std::array<char32_t, 256> character{};
  std::array<std::int16_t, 0x144> byte{};  // -1: no byte is spelled so
};

constexpr ByteTables make_byte_tables() {
  ByteTables tables;
  for (auto& value : tables.byte) value = -1;
  char32_t moved = 0x100;
  for (std::uint32_t b = 0; b < 256; ++b) {
    const bool printable = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
    const char32_t c = printable ? b : moved++;
    tables.character[b] = c;
    tables.byte[c] = static_cast<std::int16_t>(b);
  }
  return tables;
}

constexpr ByteTables kBytes = make_byte_tables();

}  // namespace

TokenTable::TokenTable(std::vector<std::string> tokens) : tokens_(std::move(tokens)) {
  slots_.assign(std::bit_ceil(tokens_.size() * 2 + 2), -1);
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t id = 0; id < tokens_.size(); ++id) {
    if (tokens_[id].empty()) continue;
    std::size_t slot = std::hash<std::string_view>{}(tokens_[id]) & mask;
    while (slots_[slot] >= 0 && tokens_[static_cast<std::size_t>(slots_[slot])] != tokens_[id])
      slot = (slot + 1) & mask;
    slots_[slot] = static_cast<std::int32_t>(id);
  }
}

std::int32_t TokenTable::find(std::string_view token) const noexcept {
  if (slots_.empty() || token.empty()) return -1;
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t slot = std::hash<std::string_view>{}(token)&mask; slots_[slot] >= 0; slot = (slot + 1) & mask) {
    if (tokens_[static_cast<std::size_t>(slots_[slot])] == token) return slots_[slot];
  }
  return -1;
}

char32_t byte_level_character(std::uint8_t byte) noexcept { return kBytes.character[byte]; }

std::string byte_level_decode(std::string_view token) {
  std::string bytes;
  bytes.reserve(token.size());
  for (std::size_t at = 0; at < token.size();) {
    const Utf8Step step = utf8_step(token, at);
    if (!step.valid || step.code_point >= kBytes.byte.size() || kBytes.byte[step.code_point] < 0)
      return std::string(token);
    bytes.push_back(static_cast<char>(static_cast<unsigned char>(kBytes.byte[step.code_point])));
    at += step.length;
  }
  return bytes;
}

std::string byte_level_encode(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char byte : bytes) append_utf8(out, kBytes.character[static_cast<unsigned char>(byte)]);
  return out;
}

BpeModel::BpeModel(const TokenTable& table, const Merges& merges, const Options& options) : options_(options) {
  for (std::uint32_t b = 0; b < 256; ++b) {
    std::string spelling;
    append_utf8(spelling, kBytes.character[b]);
    byte_ids_[b] = table.find(spelling);
  }
  merges_.reserve(merges.size());
  rules_.assign(std::bit_ceil(merges.size() * 2 + 2), Rule{kFree, 0, 0});
  const std::size_t mask = rules_.size() - 1;
  std::string joined;
  for (std::size_t rank = 0; rank < merges.size(); ++rank) {
    const auto& [left, right] = merges[rank];
    joined.assign(left).append(right);
    const std::int32_t left_id = table.find(left);
    const std::int32_t right_id = table.find(right);
    const std::int32_t result = table.find(joined);
    if (left_id < 0 || right_id < 0 || result < 0) {
      throw Error(ErrorKind::data,
                  fmt::format("merge {} ('{}' + '{}'): '{}' is not in the vocabulary", rank, left, right,
                              left_id < 0    ? left
                              : right_id < 0 ? right
                                             : std::string_view(joined)));
    }
    merges_.emplace_back(left_id, right_id);
    const std::uint64_t key = pair_key(left_id, right_id);
    std::size_t slot = mix(key) & mask;
    while (rules_[slot].pair != kFree && rules_[slot].pair != key) slot = (slot + 1) & mask;
    rules_[slot] = {key, static_cast<std::int32_t>(rank), result};
  }
}

const BpeModel::Rule* BpeModel::find_rule(std::int32_t left, std::int32_t right) const noexcept {
  const std::uint64_t key = pair_key(left, right);
  const std::size_t mask = rules_.size() - 1;
  for (std::size_t slot = mix(key) & mask; rules_[slot].pair != kFree; slot = (slot + 1) & mask) {
    if (rules_[slot].pair == key) return &rules_[slot];
  }
  return nullptr;
}

void BpeModel::encode(std::string_view piece, const TokenTable& table, std::vector<std::int32_t>& out) const {
  if (options_.ignore_merges) {
    const std::int32_t id = table.find(byte_level_encode(piece));
    if (id >= 0) {
      out.push_back(id);
      return;
    }
  }
  const auto symbols = [&](auto&& push) {
    bool after_unknown = false;
    for (const char byte : piece) {
      const std::int32_t id = byte_ids_[static_cast<unsigned char>(byte)];
      if (id >= 0) {
        push(id);
      } else if (options_.unknown_id >= 0 && !(after_unknown && options_.fuse_unknown)) {
        push(options_.unknown_id);
      }
      after_unknown = id < 0;
    }
  };
  if (piece.size() <= kShortPiece) {
    std::array<std::int32_t, kShortPiece> ids;
    std::size_t count = 0;
    symbols([&](std::int32_t id) { ids[count++] = id; });
    merge_short(ids.data(), count, out);
    return;
  }
  std::vector<std::int32_t> ids;
  ids.reserve(piece.size());
  symbols([&](std::int32_t id) { ids.push_back(id); });
  merge_long(ids, out);
}

void BpeModel::merge_short(std::int32_t* ids, std::size_t count, std::vector<std::int32_t>& out) const {
  std::array<std::int32_t, kShortPiece> ranks;    // of the pair that starts here
  std::array<std::int32_t, kShortPiece> results;  // what it would become
  const auto look_up = [&](std::size_t i) {
    const Rule* rule = i + 1 < count ? find_rule(ids[i], ids[i + 1]) : nullptr;
    ranks[i] = rule != nullptr ? rule->rank : kNoRank;
    results[i] = rule != nullptr ? rule->result : -1;
  };
  for (std::size_t i = 0; i < count; ++i) look_up(i);
  while (count > 1) {
    std::size_t best = 0;
    for (std::size_t i = 1; i + 1 < count; ++i) {
      if (ranks[i] < ranks[best]) best = i;
    }
    if (ranks[best] == kNoRank) break;
    ids[best] = results[best];
    --count;
    for (std::size_t i = best + 1; i < count; ++i) {
      ids[i] = ids[i + 1];
      ranks[i] = ranks[i + 1];
      results[i] = results[i + 1];
    }
    look_up(best);
    if (best > 0) look_up(best - 1);
  }
  out.insert(out.end(), ids, ids + count);
}

void BpeModel::merge_long(const std::vector<std::int32_t>& ids, std::vector<std::int32_t>& out) const {
  struct Symbol {
    std::int32_t id, rank, result;
    std::uint32_t previous, next;
  };
  // (rank, position) in one number: lowest rank first, then leftmost.
  std::priority_queue<std::uint64_t, std::vector<std::uint64_t>, std::greater<>> queue;
  GRPO_CHECK(ids.size() < std::numeric_limits<std::uint32_t>::max(), "a piece of text has fewer than 2^32 bytes");
  const auto count = static_cast<std::uint32_t>(ids.size());
  std::vector<Symbol> symbols(count);
  const auto look_up = [&](std::uint32_t i) {
    Symbol& symbol = symbols[i];
    const Rule* rule = symbol.next < count ? find_rule(symbol.id, symbols[symbol.next].id) : nullptr;
    symbol.rank = rule != nullptr ? rule->rank : kNoRank;
    symbol.result = rule != nullptr ? rule->result : -1;
    if (rule != nullptr) queue.push(pair_key(rule->rank, static_cast<std::int32_t>(i)));
  };
  for (std::uint32_t i = 0; i < count; ++i) symbols[i] = {ids[i], kNoRank, -1, i == 0 ? count : i - 1, i + 1};
  for (std::uint32_t i = 0; i < count; ++i) look_up(i);
  while (!queue.empty()) {
    const auto rank = static_cast<std::int32_t>(queue.top() >> 32);
    const auto i = static_cast<std::uint32_t>(queue.top());
    queue.pop();
    Symbol& symbol = symbols[i];
    if (symbol.rank != rank) continue;  // the pair has changed since it was queued
    Symbol& joined = symbols[symbol.next];
    symbol.id = symbol.result;
    symbol.next = joined.next;
    joined.rank = kNoRank;
    if (symbol.next < count) symbols[symbol.next].previous = i;
    look_up(i);
    if (symbol.previous < count) look_up(symbol.previous);
  }
  for (std::uint32_t i = 0; i < count; i = symbols[i].next) out.push_back(symbols[i].id);
}

}  // namespace grpo
