#include "libgrpo/policy/config_fields.hpp"

#include "libgrpo/base/error.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace grpo {

using Json = nlohmann::ordered_json;

struct ConfigFields::Object {
  Json json;
  [[nodiscard]] const Json* find(const std::string& key) const {
    const auto found = json.find(key);
    return found == json.end() || found->is_null() ? nullptr : &*found;
  }
};

ConfigFields::ConfigFields(const std::string& json, std::filesystem::path file)
    : ConfigFields(std::make_shared<Object>(Object{Json::parse(json, nullptr, false)}), std::move(file), "") {
  if (!object_->json.is_object()) refuse("is not a JSON object");
}

ConfigFields::ConfigFields(std::shared_ptr<const Object> object, std::filesystem::path file, std::string prefix)
    : object_(std::move(object)), file_(std::move(file)), prefix_(std::move(prefix)) {}

bool ConfigFields::has(const std::string& key) const { return object_->find(key) != nullptr; }

bool ConfigFields::is_null(const std::string& key) const { return object_->json.contains(key) && !has(key); }

std::vector<std::string> ConfigFields::keys() const {
  std::vector<std::string> all;
  for (const auto& [key, value] : object_->json.items()) all.push_back(key);
  return all;
}

std::string ConfigFields::shown(const std::string& key) const {
  const Json* value = object_->find(key);
  return value == nullptr ? "" : value->dump();
}

bool ConfigFields::equals(const std::string& key, const std::string& json) const {
  const Json* value = object_->find(key);
  return value != nullptr && *value == Json::parse(json, nullptr, false);
}

std::int64_t ConfigFields::integer(const std::string& key, std::optional<std::int64_t> fallback) const {
  const Json* value = object_->find(key);
  if (value == nullptr && fallback) return *fallback;
  if (value == nullptr) refuse(fmt::format("'{}{}' is missing", prefix_, key));
  if (!value->is_number_integer()) refuse_type(key, "an integer");
  return value->get<std::int64_t>();
}

double ConfigFields::number(const std::string& key, std::optional<double> fallback) const {
  const Json* value = object_->find(key);
  if (value == nullptr && fallback) return *fallback;
  if (value == nullptr) refuse(fmt::format("'{}{}' is missing", prefix_, key));
  if (!value->is_number()) refuse_type(key, "a number");
  return value->get<double>();
}

bool ConfigFields::boolean(const std::string& key, bool fallback) const {
  const Json* value = object_->find(key);
  if (value == nullptr) return fallback;
  if (!value->is_boolean()) refuse_type(key, "true or false");
  return value->get<bool>();
}

std::string ConfigFields::text(const std::string& key, const std::string& fallback) const {
  const Json* value = object_->find(key);
  if (value == nullptr) return fallback;
  if (!value->is_string()) refuse_type(key, "a text");
  return value->get<std::string>();
}

std::vector<std::string> ConfigFields::texts(const std::string& key, std::int64_t count) const {
  const Json* list = object_->find(key);
  if (list == nullptr) return {};
  const bool good = list->is_array() && std::all_of(list->begin(), list->end(), [](const Json& x) { return x.is_string(); });
  if (!good || (count >= 0 && static_cast<std::int64_t>(list->size()) != count))
    refuse_type(key, count >= 0 ? fmt::format("a list of {} names", count) : "a list of names");
  return list->get<std::vector<std::string>>();
}

std::vector<double> ConfigFields::numbers(const std::string& key, std::int64_t count) const {
  const Json* list = object_->find(key);
  if (list == nullptr) return {};
  const bool good = list->is_array() && std::all_of(list->begin(), list->end(), [](const Json& x) { return x.is_number(); });
  if (!good || (count >= 0 && static_cast<std::int64_t>(list->size()) != count))
    refuse_type(key, count >= 0 ? fmt::format("a list of {} numbers", count) : "a list of numbers");
  return list->get<std::vector<double>>();
}

ConfigFields ConfigFields::object(const std::string& key) const {
  const Json* value = object_->find(key);
  if (value != nullptr && !value->is_object()) refuse_type(key, "an object");
  return {std::make_shared<Object>(Object{value == nullptr ? Json::object() : *value}), file_, prefix_ + key + "."};
}

void ConfigFields::refuse(const std::string& why) const { throw Error(ErrorKind::data, fmt::format("{}: {}", file_.string(), why)); }

void ConfigFields::refuse_value(const std::string& key, const std::string& why) const {
  refuse(fmt::format("{}{} = {} is not supported; {}", prefix_, key, shown(key), why));
}

void ConfigFields::refuse_type(const std::string& key, const std::string& expected) const {
  refuse(fmt::format("'{}{}' is {}, expected {}", prefix_, key, has(key) ? shown(key) : "missing", expected));
}

}  // namespace grpo
