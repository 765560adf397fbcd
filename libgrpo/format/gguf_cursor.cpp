#include "libgrpo/format/gguf_cursor.hpp"

#include "libgrpo/base/error.hpp"

#include <fmt/format.h>

namespace grpo::detail {

void GgufCursor::fail(std::string_view what) const {
  throw Error{ErrorKind::data, fmt::format("{}: {}: {} (before byte {} of {}); the file is damaged or not a GGUF file of this kind, "
                                           "fetch or convert it again",
                                           path_.string(), item, what, position_, bytes_.size())};
}

std::string GgufCursor::text() {
  const auto length = scalar<std::uint64_t>();
  const std::byte* begin = take(length);
  return {reinterpret_cast<const char*>(begin), static_cast<std::size_t>(length)};
}

std::string GgufCursor::name() {
  constexpr std::uint64_t kLongest = 65535;
  std::uint64_t length = 0;
  if (remaining() >= sizeof length) std::memcpy(&length, bytes_.data() + position_, sizeof length);
  if (length > kLongest) fail(fmt::format("a name of {} bytes, more than {}", length, kLongest));
  return text();
}

void GgufCursor::expect_room(std::uint64_t count, std::uint64_t min_bytes_each, std::string_view things) const {
  if (count > remaining() / min_bytes_each) {
    fail(fmt::format("{} {} do not fit into the {} bytes left", count, things, remaining()));
  }
}

const std::byte* GgufCursor::take(std::uint64_t count) {
  if (count > remaining()) fail(fmt::format("{} bytes wanted, {} left", count, remaining()));
  const std::byte* begin = bytes_.data() + position_;
  position_ += count;
  return begin;
}

}  // namespace grpo::detail
