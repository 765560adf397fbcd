#include "libgrpo/data/template_variables.hpp"

#include "libgrpo/base/error.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace grpo::detail {
namespace {

using Json = nlohmann::ordered_json;

/// A column as JSON; null if the row has none. A JSON string in it has become its characters already.
Json column(const Row& row, const char* name, const char* expected) {
  const auto found = row.columns.find(name);
  if (found == row.columns.end()) return nullptr;
  const Json json = Json::parse(found->second, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) throw Error{ErrorKind::data, fmt::format("column \"{}\" is not JSON; expected {}", name, expected)};
  return json;
}

std::string dumped(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

}  // namespace

std::string template_variables(const std::string& kwargs, const Row& row) {
  Json variables = Json::object();
  if (!kwargs.empty()) variables = Json::parse(kwargs, nullptr, /*allow_exceptions=*/false);
  if (!variables.is_object()) throw Error{ErrorKind::recipe, "chat_template_kwargs is not a JSON object"};
  const Json tools = column(row, "tools", "a list of tools");
  if (!tools.is_null()) {
    if (!tools.is_array()) throw Error{ErrorKind::data, fmt::format("column \"tools\" is {}, expected a list of tools", tools.type_name())};
    variables["tools"] = tools;
  }
  const Json own = column(row, "chat_template_kwargs", "an object");
  if (!own.is_null()) {
    if (!own.is_object())
      throw Error{ErrorKind::data, fmt::format("column \"chat_template_kwargs\" is {}, expected an object", own.type_name())};
    for (const auto& [name, value] : own.items()) variables[name] = value;
  }
  return variables.empty() ? std::string() : dumped(variables);
}

std::string messages_json(const std::vector<Message>& messages, const Row& row) {
  const Json given = Json::parse(row.messages_json);
  // The system message moves to the front, where worked examples follow it; the others are the last ones.
  const bool own_system = given[0]["role"] == "system";
  const std::size_t last = given.size() - (own_system ? 1 : 0);
  Json all = Json::array();
  for (std::size_t i = 0; i + last < messages.size(); ++i) {
    if (i == 0 && own_system) {
      all.push_back(given[0]);
    } else {
      all.push_back({{"role", messages[i].role}, {"content", messages[i].content}});
    }
  }
  for (std::size_t i = given.size() - last; i < given.size(); ++i) all.push_back(given[i]);
  return dumped(all);
}

}  // namespace grpo::detail
