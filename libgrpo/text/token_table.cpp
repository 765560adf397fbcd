#include "libgrpo/text/token_table.hpp"

#include <bit>
#include <cstring>

namespace grpo {
namespace {

std::uint64_t fold(std::uint64_t x) noexcept {
  x *= 0x9E3779B97F4A7C15ULL;
  return x ^ (x >> 32);
}

template <class T>
std::uint64_t load(const char* at) noexcept {
  T value;
  std::memcpy(&value, at, sizeof(T));
  return value;
}

std::uint64_t hash_of(std::string_view key) noexcept {
  const char* at = key.data();
  std::size_t left = key.size();
  std::uint64_t hash = fold(left + 1);
  for (; left > 8; left -= 8, at += 8) hash = fold(hash ^ load<std::uint64_t>(at));
  // The last 1 to 8 bytes, read without a loop; reads overlap inside the key.
  if (left >= 4) {
    hash ^= load<std::uint32_t>(at) | (load<std::uint32_t>(at + left - 4) << 32);
  } else if (left > 0) {
    const auto byte = [&](std::size_t i) { return static_cast<std::uint64_t>(static_cast<unsigned char>(at[i])); };
    hash ^= byte(0) | (byte(left / 2) << 8) | (byte(left - 1) << 16);
  }
  return fold(hash);
}

}  // namespace

void StringIndex::reserve(std::size_t count, std::size_t bytes) {
  slots_.assign(std::bit_ceil(count * 2 + 2), Slot{});
  bytes_.clear();
  bytes_.reserve(bytes);
}

std::size_t StringIndex::slot_of(std::string_view key, std::uint64_t hash) const noexcept {
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = static_cast<std::size_t>(hash) & mask;
  for (; slots_[at].id >= 0; at = (at + 1) & mask) {
    const Slot& slot = slots_[at];
    if (slot.hash == hash && slot.length == key.size() && std::memcmp(bytes_.data() + slot.begin, key.data(), key.size()) == 0) break;
  }
  return at;
}

void StringIndex::put(std::string_view key, std::int32_t id) {
  if (key.empty()) return;
  const std::uint64_t hash = hash_of(key);
  Slot& slot = slots_[slot_of(key, hash)];
  if (slot.id < 0) {
    slot = {hash, bytes_.size(), static_cast<std::uint32_t>(key.size()), id};
    bytes_.append(key);
  }
  slot.id = id;
}

std::int32_t StringIndex::find(std::string_view key) const noexcept {
  if (slots_.empty() || key.empty()) return -1;
  return slots_[slot_of(key, hash_of(key))].id;
}

TokenTable::TokenTable(std::vector<std::string> tokens) : tokens_(std::move(tokens)) {
  std::size_t bytes = 0;
  for (const std::string& token : tokens_) bytes += token.size();
  index_.reserve(tokens_.size(), bytes);
  for (std::size_t id = 0; id < tokens_.size(); ++id) index_.put(tokens_[id], static_cast<std::int32_t>(id));
}

std::int32_t find_byte_token(const TokenTable& table, std::uint8_t byte) noexcept {
  constexpr char kHex[] = "0123456789ABCDEF";
  const char name[] = {'<', '0', 'x', kHex[byte >> 4], kHex[byte & 15], '>'};
  return table.find(std::string_view(name, sizeof name));
}

}  // namespace grpo
