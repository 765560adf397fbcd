#include "libgrpo/serve/body.inl"

#include "libgrpo/config/field.hpp"
#include "libgrpo/serve/api_error.hpp"

#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace grpo::serve {
namespace {

using Json = nlohmann::json;
using std::int64_t;

constexpr int kDeepest = 32;

/// A value fit for a message.
std::string show(const Json& value) {
  const std::string text = to_text(value);
  return text.size() <= 60 ? text : text.substr(0, 57) + "...";
}

std::string bounds(double low, double high) { return fmt::format("must be from {:g} to {:g}", low, high); }

}  // namespace

Body::Body(const Json& object, std::string prefix) : object_(object), prefix_(std::move(prefix)) {
  if (!object.is_object()) throw ApiError(400, "the body must be a JSON object, got " + show(object), prefix_);
}

void Body::fail(const std::string& name, const std::string& why) const {
  const std::string whole = prefix_ + name;
  const auto field = object_.find(name);
  throw ApiError(400, field == object_.end() ? whole + ": " + why : fmt::format("{} = {}: {}", whole, show(*field), why), whole);
}

const Json* Body::find(const std::string& name) {
  asked_.insert(name);
  const auto field = object_.find(name);
  return field == object_.end() || field->is_null() ? nullptr : &*field;
}

std::optional<int64_t> Body::integer(const std::string& name, int64_t low, int64_t high) {
  const Json* value = find(name);
  if (!value) return {};
  if (!value->is_number_integer()) fail(name, "must be an integer");
  const bool fits = !value->is_number_unsigned() || value->get<std::uint64_t>() <= static_cast<std::uint64_t>(INT64_MAX);
  if (!fits || value->get<int64_t>() < low || value->get<int64_t>() > high) fail(name, fmt::format("must be from {} to {}", low, high));
  return value->get<int64_t>();
}

std::optional<std::uint64_t> Body::key(const std::string& name) {
  const Json* value = find(name);
  if (!value) return {};
  if (!value->is_number_unsigned()) fail(name, "must be an integer from 0 to 18446744073709551615");
  return value->get<std::uint64_t>();
}

std::optional<double> Body::number(const std::string& name, double low, double high) {
  const Json* value = find(name);
  if (!value) return {};
  if (!value->is_number()) fail(name, "must be a number");
  const auto number = value->get<double>();
  if (!(number >= low && number <= high)) fail(name, bounds(low, high));
  return number;
}

std::optional<bool> Body::boolean(const std::string& name) {
  const Json* value = find(name);
  if (!value) return {};
  if (!value->is_boolean()) fail(name, "must be true or false");
  return value->get<bool>();
}

std::optional<std::string> Body::text(const std::string& name) {
  const Json* value = find(name);
  if (!value) return {};
  if (!value->is_string()) fail(name, "must be a string");
  return value->get<std::string>();
}

std::vector<std::string> Body::texts(const std::string& name) {
  const Json* value = find(name);
  if (!value) return {};
  if (value->is_string()) return {value->get<std::string>()};
  std::vector<std::string> all;
  if (!value->is_array()) fail(name, "must be a string or a list of strings");
  for (const Json& one : *value) {
    if (!one.is_string()) fail(name, "must be a string or a list of strings");
    all.push_back(one.get<std::string>());
  }
  return all;
}

void Body::ignore(std::initializer_list<const char*> names) {
  for (const char* name : names) asked_.insert(name);
}

void Body::refuse(std::initializer_list<const char*> names, double off) {
  for (const char* name : names) {
    const Json* value = find(name);
    if (!value || *value == false || value->empty() || *value == "") continue;
    if (value->is_number() && value->get<double>() == off) continue;
    fail(name, "is not supported by this server; leave it out");
  }
}

void Body::finish() const {
  for (const auto& [name, value] : object_.items()) {
    if (asked_.count(name) > 0) continue;
    const auto near = nearest_names(name, {asked_.begin(), asked_.end()});
    fail(name, "unknown field" + (near.empty() ? std::string() : "; did you mean " + near.front() + "?"));
  }
}

Json parse_body(std::string_view text) {
  try {
    return Json::parse(text, [](int depth, Json::parse_event_t, Json&) {
      if (depth > kDeepest) throw ApiError(400, fmt::format("the body is nested more than {} deep", kDeepest));
      return true;
    });
  } catch (const Json::parse_error& error) {
    throw ApiError(400, fmt::format("the body is no JSON: damaged at byte {} of {}", error.byte, text.size()));
  }
}

}  // namespace grpo::serve
