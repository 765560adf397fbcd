#include "libgrpo/text/bpe_model.hpp"

#include "libgrpo/base/check.hpp"
#include "libgrpo/base/error.hpp"
#include "libgrpo/base/utf8.hpp"
#include "libgrpo/text/byte_level.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <bit>
#include <functional>
#include <limits>
#include <queue>

namespace grpo {
namespace {

constexpr std::size_t kShortPiece = 48;   // below this, scanning for the lowest rank beats a heap
constexpr std::size_t kWholePiece = 256;  // longer tokens are not looked up whole
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

}  // namespace

BpeModel::BpeModel(std::shared_ptr<const TokenTable> table, const Merges& merges, Options options)
    : table_(std::move(table)), options_(std::move(options)) {
  GRPO_CHECK(!options_.byte_level || (!options_.byte_fallback && options_.prefix.empty() && options_.suffix.empty()),
             "byte-level pieces have no byte_fallback, prefix or suffix");
  byte_ids_.fill(-1);
  for (std::uint32_t b = 0; b < 256; ++b) {
    std::string spelling;
    if (options_.byte_level) {
      append_utf8(spelling, byte_level_character(static_cast<std::uint8_t>(b)));
      byte_ids_[b] = table_->find(spelling);
    } else if (options_.byte_fallback) {
      byte_ids_[b] = find_byte_token(*table_, static_cast<std::uint8_t>(b));
    }
  }
  for (std::size_t c = 0; c < character_ids_.size(); ++c) {
    const char character = static_cast<char>(c);
    character_ids_[c] = table_->find(std::string_view(&character, 1));
  }
  read_rules(merges);
  find_whole_pieces();
}

void BpeModel::read_rules(const Merges& merges) {
  merges_.reserve(merges.size());
  rules_.assign(std::bit_ceil(merges.size() * 2 + 2), Rule{kFree, 0, 0});
  const std::size_t mask = rules_.size() - 1;
  std::string joined;
  for (std::size_t rank = 0; rank < merges.size(); ++rank) {
    const auto& [left, right] = merges[rank];
    // The package cuts as many bytes as the prefix has, whether they are the prefix or not.
    joined.assign(left).append(right.substr(std::min(options_.prefix.size(), right.size())));
    const std::int32_t left_id = table_->find(left);
    const std::int32_t right_id = table_->find(right);
    const std::int32_t result = table_->find(joined);
    if (left_id < 0 || right_id < 0 || result < 0) {
      throw Error(ErrorKind::data, fmt::format("merge {} ('{}' + '{}'): '{}' is not in the vocabulary", rank, left, right,
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

/// Most words of a text are one token: those are looked up instead of merged each time.
void BpeModel::find_whole_pieces() {
  const std::vector<std::string>& tokens = table_->tokens();
  std::vector<std::pair<std::string, std::int32_t>> whole;
  std::size_t bytes = 0;
  std::vector<std::int32_t> ids;
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    if (tokens[id].empty() || tokens[id].size() > kWholePiece) continue;
    std::string piece = options_.byte_level ? byte_level_decode(tokens[id]) : tokens[id];
    if (!options_.ignore_merges) {
      ids.clear();
      merge(piece, ids);
      if (ids.size() != 1) continue;
      if (ids[0] != static_cast<std::int32_t>(id)) continue;
    } else if (options_.byte_level ? byte_level_encode(piece) != tokens[id] : false) {
      continue;  // not a byte-level spelling: no piece reads so
    }
    bytes += piece.size();
    whole.emplace_back(std::move(piece), static_cast<std::int32_t>(id));
  }
  whole_.reserve(whole.size(), bytes);
  for (const auto& [piece, id] : whole) whole_.put(piece, id);
}

const BpeModel::Rule* BpeModel::find_rule(std::int32_t left, std::int32_t right) const noexcept {
  const std::uint64_t key = pair_key(left, right);
  const std::size_t mask = rules_.size() - 1;
  for (std::size_t slot = mix(key) & mask; rules_[slot].pair != kFree; slot = (slot + 1) & mask) {
    if (rules_[slot].pair == key) return &rules_[slot];
  }
  return nullptr;
}

void BpeModel::encode(std::string_view piece, std::vector<std::int32_t>& out) const {
  if (piece.size() <= kWholePiece) {
    const std::int32_t id = whole_.find(piece);
    if (id >= 0) {
      out.push_back(id);
      return;
    }
  } else if (options_.ignore_merges) {
    const std::int32_t id = options_.byte_level ? table_->find(byte_level_encode(piece)) : table_->find(piece);
    if (id >= 0) {
      out.push_back(id);
      return;
    }
  }
  merge(piece, out);
}

template <class Push>
void BpeModel::symbols_of_bytes(std::string_view piece, Push&& push) const {
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
}

template <class Push>
bool BpeModel::push_bytes(std::string_view symbol, Push&& push) const {
  for (const char byte : symbol) {
    if (byte_ids_[static_cast<unsigned char>(byte)] < 0) return false;
  }
  for (const char byte : symbol) push(byte_ids_[static_cast<unsigned char>(byte)]);
  return true;
}

template <class Push>
void BpeModel::symbols_of_characters(std::string_view piece, Push&& push) const {
  const bool plain = options_.prefix.empty() && options_.suffix.empty();
  bool unknown = false;  // one is due: the package writes it before the next known symbol, behind any bytes between
  std::string spelled;
  for (std::size_t at = 0; at < piece.size();) {
    const auto lead = static_cast<unsigned char>(piece[at]);
    const std::size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    std::string_view symbol = piece.substr(at, length);
    std::int32_t id = -1;
    if (plain) {
      id = lead < 0x80 ? character_ids_[lead] : table_->find(symbol);
    } else {
      spelled.assign(at > 0 ? options_.prefix : "").append(symbol);
      if (at + length == piece.size()) spelled += options_.suffix;
      symbol = spelled;
      id = table_->find(symbol);
    }
    at += length;
    if (id >= 0) {
      if (unknown) push(options_.unknown_id);
      unknown = false;
      push(id);
    } else if (!(options_.byte_fallback && push_bytes(symbol, push)) && options_.unknown_id >= 0) {
      if (unknown && !options_.fuse_unknown) push(options_.unknown_id);
      unknown = true;
    }
  }
  if (unknown) push(options_.unknown_id);
}

void BpeModel::merge(std::string_view piece, std::vector<std::int32_t>& out) const {
  const auto symbols = [&](auto&& push) { options_.byte_level ? symbols_of_bytes(piece, push) : symbols_of_characters(piece, push); };
  // One byte gives one symbol at most; only a suffix spelled in bytes can give more.
  if (piece.size() <= kShortPiece && options_.prefix.empty() && options_.suffix.empty()) {
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
