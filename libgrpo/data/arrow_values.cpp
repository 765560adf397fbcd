#include "libgrpo/data/arrow_values.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/base/utf8.hpp"

#include <arrow/array.h>
#include <arrow/extension_type.h>
#include <arrow/scalar.h>
#include <arrow/type.h>
#include <arrow/visit_array_inline.h>
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string>
#include <type_traits>

namespace grpo::detail {
namespace {

using arrow::Array;

std::string json_text(std::string_view text) { return nlohmann::json(text).dump(); }

JsonColumn value_of(const Array& array, std::int64_t index, int depth);

std::string json_of(const Array& array, std::int64_t index, int depth) {
  JsonColumn value = value_of(array, index, depth);
  return value.kind == JsonKind::text ? json_text(value.text) : std::move(value.text);
}

JsonColumn text(std::string_view view) {
  if (!is_utf8(view)) throw Error{ErrorKind::data, "the text is not UTF-8"};
  return {JsonKind::text, std::string(view)};
}

JsonColumn list(const Array& values, std::int64_t from, std::int64_t count, int depth) {
  std::string out = "[";
  for (std::int64_t i = 0; i < count; ++i) out += (i > 0 ? "," : "") + json_of(values, from + i, depth + 1);
  return {JsonKind::list, out + "]"};
}

// Reads one value of whatever type the array has.
struct Reader {
  std::int64_t index;
  int depth;
  JsonColumn value;

  template <class A>
  arrow::Status Visit(const A& array) {
    using Type = typename A::TypeClass;
    if constexpr (arrow::is_boolean_type<Type>::value) {
      value = {JsonKind::boolean, array.Value(index) ? "true" : "false"};
    } else if constexpr (arrow::is_base_binary_type<Type>::value || arrow::is_binary_view_like_type<Type>::value ||
                         std::is_same_v<Type, arrow::FixedSizeBinaryType>) {
      value = text(array.GetView(index));
    } else if constexpr (arrow::is_integer_type<Type>::value) {
      value = {JsonKind::number, fmt::format("{}", array.Value(index))};
    } else if constexpr (arrow::is_physical_floating_type<Type>::value && !arrow::is_half_float_type<Type>::value) {
      value = {JsonKind::number, nlohmann::json(array.Value(index)).dump()};
    } else if constexpr (arrow::is_list_like_type<Type>::value && !std::is_same_v<Type, arrow::MapType>) {
      value = list(*array.values(), array.value_offset(index), array.value_length(index), depth);
    } else if constexpr (std::is_same_v<Type, arrow::MapType>) {
      value = map(array);
    } else if constexpr (std::is_same_v<Type, arrow::StructType>) {
      value = structure(array);
    } else if constexpr (std::is_same_v<Type, arrow::DictionaryType>) {
      value = value_of(*array.dictionary(), array.GetValueIndex(index), depth);
    } else if constexpr (std::is_base_of_v<arrow::ExtensionArray, A>) {
      value = value_of(*array.storage(), index, depth);
    } else {
      ARROW_ASSIGN_OR_RAISE(const auto scalar, array.GetScalar(index));
      value = text(scalar->ToString());
    }
    return arrow::Status::OK();
  }

  [[nodiscard]] JsonColumn structure(const arrow::StructArray& array) const {
    std::string out = "{";
    for (int i = 0; i < array.num_fields(); ++i)
      out += (i > 0 ? "," : "") + json_text(text(array.struct_type()->field(i)->name()).text) + ":" +
             json_of(*array.field(i), index, depth + 1);
    return {JsonKind::object, out + "}"};
  }

  [[nodiscard]] JsonColumn map(const arrow::MapArray& array) const {
    std::string out = "{";
    for (std::int64_t i = 0; i < array.value_length(index); ++i) {
      const std::int64_t at = array.value_offset(index) + i;
      const std::string key = value_of(*array.keys(), at, depth + 1).text;
      out += (i > 0 ? "," : "") + json_text(key) + ":" + json_of(*array.items(), at, depth + 1);
    }
    return {JsonKind::object, out + "}"};
  }
};

JsonColumn value_of(const Array& array, std::int64_t index, int depth) {
  if (depth > kDeepestJson) throw Error{ErrorKind::data, fmt::format("nested deeper than {} levels", kDeepestJson)};
  if (array.IsNull(index)) return {JsonKind::null, "null"};
  Reader reader{index, depth, {}};
  const arrow::Status status = arrow::VisitArrayInline(array, &reader);
  if (!status.ok()) throw Error{ErrorKind::data, fmt::format("a value of type {} cannot be read", array.type()->ToString())};
  if (reader.value.kind == JsonKind::number && reader.value.text == "null") return {JsonKind::null, "null"};  // NaN
  return std::move(reader.value);
}

}  // namespace

JsonColumn arrow_value(const Array& array, std::int64_t index) { return value_of(array, index, 1); }

}  // namespace grpo::detail
