/// Reading fields of tokenizer.json: each function names the section and the field in its error. For .cpp files only:
/// headers show no JSON library.
#pragma once

#include "libgrpo/base/error.hpp"
#include "libgrpo/text/split_pattern.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace grpo::fields {

using nlohmann::json;

/// A value on its way through a header that knows it by name alone.
struct Node {
  const json& value;
};

constexpr int kMaxDepth = 16;           // of sequences within sequences
constexpr std::size_t kMaxSteps = 256;  // of a section

[[noreturn]] inline void refuse(std::string_view section, const std::string& why) {
  throw Error(ErrorKind::data, fmt::format("{}: {}", section, why));
}

/// A value for a message: long ones are cut.
inline std::string show(const json& value) {
  if (value.is_structured()) return value.is_array() ? "a list" : "an object";
  std::string text = value.dump(-1, ' ', false, json::error_handler_t::replace);
  if (text.size() > 60) text = text.substr(0, 60) + "...";
  return text;
}

inline bool is_set(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && !found->is_null();
}

inline const json& member(const json& object, const char* key, std::string_view section) {
  const auto found = object.find(key);
  if (found == object.end()) refuse(section, fmt::format("'{}' is missing", key));
  return *found;
}

inline bool flag(const json& object, const char* key, bool otherwise, std::string_view section) {
  if (!is_set(object, key)) return otherwise;
  const json& value = object[key];
  if (!value.is_boolean()) refuse(section, fmt::format("'{}' is {}, not true or false", key, show(value)));
  return value.get<bool>();
}

inline const std::string& text(const json& object, const char* key, std::string_view section) {
  const json& value = member(object, key, section);
  if (!value.is_string()) refuse(section, fmt::format("'{}' is not a string", key));
  return value.get_ref<const std::string&>();
}

/// A string of exactly one character.
inline const std::string& character(const json& object, const char* key, std::string_view section) {
  const std::string& value = text(object, key, section);
  std::size_t characters = 0;
  for (const char c : value) characters += (static_cast<unsigned char>(c) & 0xC0) != 0x80 ? 1 : 0;
  if (characters != 1) refuse(section, fmt::format("'{}' is '{}': expected one character", key, value));
  return value;
}

inline std::size_t count(const json& object, const char* key, std::string_view section) {
  const json& value = member(object, key, section);
  if (!value.is_number_unsigned()) refuse(section, fmt::format("'{}' is {}, not a count", key, show(value)));
  return value.get<std::size_t>();
}

inline const json& list(const json& object, const char* key, std::string_view section) {
  const json& value = member(object, key, section);
  if (!value.is_array()) refuse(section, fmt::format("'{}' is not a list", key));
  if (value.size() > kMaxSteps) refuse(section, fmt::format("more than {} steps", kMaxSteps));
  return value;
}

inline void check_node(const json& node, int depth, std::string_view section) {
  if (!node.is_object()) refuse(section, "not an object");
  if (depth > kMaxDepth) refuse(section, fmt::format("nested deeper than {}", kMaxDepth));
}

/// The plain text of {"String": s}, or nullptr
inline const std::string* plain_pattern(const json& object, std::string_view section) {
  const json& pattern = member(object, "pattern", section);
  return pattern.is_object() && pattern.contains("String") && !pattern.contains("Regex") ? &text(pattern, "String", section) : nullptr;
}

/// {"String": s} or {"Regex": s}
inline SplitPattern read_pattern(const json& object, std::string_view section) {
  if (const std::string* plain = plain_pattern(object, section)) return SplitPattern(*plain, true);
  const json& pattern = member(object, "pattern", section);
  if (pattern.is_object() && pattern.contains("Regex")) return SplitPattern(text(pattern, "Regex", section));
  refuse(section, "'pattern' has neither 'Regex' nor 'String'");
}

}  // namespace grpo::fields
