/// Checked reading of the front part of a GGUF file: header, metadata, tensor table. Internal to format/.
///
/// What it does not do: interpret tensors. Every failure is an Error{data} that names the file, the item and the byte.
#pragma once

#include "libgrpo/format/gguf.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace grpo::detail {

/// Reads forward and checks every step; `item` says in messages what is being read.
class GgufCursor {
 public:
  GgufCursor(std::span<const std::byte> bytes, const std::filesystem::path& path) : bytes_(bytes), path_(path) {}

  std::string item = "header";

  [[nodiscard]] std::uint64_t position() const { return position_; }
  [[nodiscard]] std::uint64_t remaining() const { return bytes_.size() - position_; }

  [[noreturn]] void fail(std::string_view what) const;

  template <class T>
  T scalar() {
    T value;
    std::memcpy(&value, take(sizeof(T)), sizeof(T));
    return value;
  }

  std::string text();
  /// A key or a tensor's name: a text no longer than the specification allows.
  std::string name();
  /// Refuses a count that the rest of the file cannot hold, before anything is allocated for it.
  void expect_room(std::uint64_t count, std::uint64_t min_bytes_each, std::string_view things) const;

 private:
  const std::byte* take(std::uint64_t count);

  std::span<const std::byte> bytes_;
  const std::filesystem::path& path_;
  std::uint64_t position_ = 0;
};

/// The value behind a metadata key: its type, then one value or an array of them.
/// throws: Error{data}. cost: memory in proportion to the bytes read
GgufValue read_gguf_value(GgufCursor& cursor);

}  // namespace grpo::detail
