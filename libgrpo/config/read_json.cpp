#include "libgrpo/config/value.hpp"

#include <nlohmann/json.hpp>

#include <limits>

namespace grpo {
namespace {

Value convert(const nlohmann::json& json, std::size_t depth) {
  if (depth > kMaxRecipeDepth) throw SyntaxError(0, "values are nested too deeply");
  if (json.is_boolean()) return Value::of_boolean(json.get<bool>());
  if (json.is_number_unsigned() && json.get<std::uint64_t>() > std::uint64_t{std::numeric_limits<std::int64_t>::max()}) {
    return Value::of_floating(json.get<double>());
  }
  if (json.is_number_integer()) return Value::of_integer(json.get<std::int64_t>());
  if (json.is_number_float()) return Value::of_floating(json.get<double>());
  if (json.is_string()) return Value::of_string(json.get<std::string>());
  Value value;
  if (json.is_array()) {
    value.kind = Value::Kind::list;
    for (const auto& item : json) value.items.push_back(convert(item, depth + 1));
  } else if (json.is_object()) {
    value.kind = Value::Kind::table;
    for (const auto& [key, item] : json.items()) value.keys.emplace_back(key, convert(item, depth + 1));
  }
  return value;
}

}  // namespace

Value read_json(std::string_view text) {
  if (text.size() > kMaxRecipeBytes) throw SyntaxError(0, "longer than 1 MiB");
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) throw SyntaxError(0, "not valid JSON");
  return convert(json, 0);
}

}  // namespace grpo
