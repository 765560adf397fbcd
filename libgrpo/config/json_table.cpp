// An option that is a table of anything: from TOML, YAML or JSON to one line of JSON.
#include "libgrpo/config/field.hpp"

#include <nlohmann/json.hpp>

#include <cmath>

namespace grpo {
namespace {

using Json = nlohmann::json;
using Kind = Value::Kind;

struct NotJson {
  std::string why;
};

/// A plain word of YAML: what JSON would read it as, else a string.
Json from_word(const std::string& word) {
  if (word == "True" || word == "False") return word == "True";
  if (word.empty() || word == "~" || word == "Null" || word == "None") return nullptr;
  Json json = Json::parse(word, nullptr, /*allow_exceptions=*/false);
  return json.is_primitive() && !json.is_discarded() && !json.is_string() ? json : Json(word);
}

// Readers bound the depth of a Value, so recursion is bounded too.
Json to_json(const Value& value) {
  switch (value.kind) {
    case Kind::null: return nullptr;
    case Kind::boolean: return value.boolean;
    case Kind::integer: return value.integer;
    case Kind::floating:
      if (!std::isfinite(value.floating)) throw NotJson{"infinity and NaN are no JSON"};
      return value.floating;
    case Kind::string: return value.string;
    case Kind::text: return value.quoted ? Json(value.string) : from_word(value.string);
    case Kind::list: {
      Json list = Json::array();
      for (const Value& item : value.items) list.push_back(to_json(item));
      return list;
    }
    case Kind::table: {
      Json table = Json::object();
      for (const auto& [name, member] : value.keys) table[name] = to_json(member);
      return table;
    }
    case Kind::other: break;
  }
  throw NotJson{"expected JSON, got " + show(value)};
}

}  // namespace

std::string read_json_table(const Value& value, JsonTable& table) {
  try {
    const bool written = value.kind == Kind::string || value.kind == Kind::text;
    const Value read = written ? read_json(value.string) : value;
    if (read.kind != Kind::table) return "expected a table or a JSON object such as {\"enable_thinking\": false}";
    table.json = to_json(read).dump();
  } catch (const SyntaxError& error) {
    return error.what();
  } catch (const NotJson& error) {
    return error.why;
  } catch (const Json::exception&) {
    return "expected text in UTF-8";
  }
  return {};
}

}  // namespace grpo
