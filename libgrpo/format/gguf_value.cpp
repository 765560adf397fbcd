#include "libgrpo/format/gguf_cursor.hpp"

#include <fmt/format.h>

#include <concepts>
#include <type_traits>
#include <utility>

namespace grpo::detail {
namespace {

enum class ValueType : std::uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, text, array, u64, i64, f64 };

template <class T>
auto widen(GgufCursor& cursor, T value) {
  if constexpr (std::same_as<T, std::uint64_t>) {
    if (!std::in_range<std::int64_t>(value)) cursor.fail(fmt::format("the value {} exceeds 2^63-1", value));
  }
  if constexpr (std::floating_point<T>) {
    return static_cast<double>(value);
  } else {
    return static_cast<std::int64_t>(value);
  }
}

bool read_bool(GgufCursor& cursor) {
  const auto value = cursor.scalar<std::uint8_t>();
  if (value > 1) cursor.fail(fmt::format("a boolean of value {}", value));
  return value == 1;
}

/// Calls visit(reader) where reader(cursor) reads one value of this type as what GgufValue holds.
template <class Visit>
GgufValue with_reader(GgufCursor& cursor, std::uint32_t type, Visit visit) {
  const auto of = [&]<class T>(std::type_identity<T>) {
    return visit([](GgufCursor& from) { return widen(from, from.scalar<T>()); }, sizeof(T));
  };
  switch (static_cast<ValueType>(type)) {
    case ValueType::u8: return of(std::type_identity<std::uint8_t>{});
    case ValueType::i8: return of(std::type_identity<std::int8_t>{});
    case ValueType::u16: return of(std::type_identity<std::uint16_t>{});
    case ValueType::i16: return of(std::type_identity<std::int16_t>{});
    case ValueType::u32: return of(std::type_identity<std::uint32_t>{});
    case ValueType::i32: return of(std::type_identity<std::int32_t>{});
    case ValueType::u64: return of(std::type_identity<std::uint64_t>{});
    case ValueType::i64: return of(std::type_identity<std::int64_t>{});
    case ValueType::f32: return of(std::type_identity<float>{});
    case ValueType::f64: return of(std::type_identity<double>{});
    case ValueType::boolean: return visit([](GgufCursor& from) { return read_bool(from); }, std::size_t{1});
    case ValueType::text: return visit([](GgufCursor& from) { return from.text(); }, sizeof(std::uint64_t));
    case ValueType::array: cursor.fail("an array of arrays, which no known model uses");
  }
  cursor.fail(fmt::format("value type {} is unknown", type));
}

}  // namespace

GgufValue read_gguf_value(GgufCursor& cursor) {
  const auto type = cursor.scalar<std::uint32_t>();
  if (static_cast<ValueType>(type) != ValueType::array) {
    return with_reader(cursor, type, [&](auto read, std::size_t) -> GgufValue { return read(cursor); });
  }
  const auto element_type = cursor.scalar<std::uint32_t>();
  const auto count = cursor.scalar<std::uint64_t>();
  return with_reader(cursor, element_type, [&](auto read, std::size_t min_bytes) -> GgufValue {
    cursor.expect_room(count, min_bytes, "array elements");
    std::vector<decltype(read(cursor))> values;
    values.reserve(static_cast<std::size_t>(count));
    for (std::uint64_t i = 0; i < count; ++i) values.push_back(read(cursor));
    return values;
  });
}

}  // namespace grpo::detail
