#pragma once

/// The fields of a request's JSON body, each read once with its type and range. What is left at the end is unknown, and refused:
/// a misspelt option must not change what is sampled without a word.

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace grpo::serve {

/// JSON as one line, whatever bytes its texts hold: what is no UTF-8 becomes the replacement character.
template <class Json>
std::string to_text(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

class Body {
 public:
  /// throws: ApiError 400 unless `object` is one. It must outlive the Body. `prefix` goes before names in messages.
  explicit Body(const nlohmann::json& object, std::string prefix = {});

  /// The field, or null if it is missing or null. throws: nothing
  const nlohmann::json* find(const std::string& name);
  /// These throw ApiError 400, naming the field, for another type or a value out of range.
  std::optional<std::int64_t> integer(const std::string& name, std::int64_t low, std::int64_t high);
  std::optional<std::uint64_t> key(const std::string& name);  ///< any 64-bit integer that is not negative
  std::optional<double> number(const std::string& name, double low, double high);
  std::optional<bool> boolean(const std::string& name);
  std::optional<std::string> text(const std::string& name);
  /// A string or a list of strings.
  std::vector<std::string> texts(const std::string& name);

  /// Fields that mean nothing here and change no answer.
  void ignore(std::initializer_list<const char*> names);
  /// Fields that are served only with the value that means "off": null, false, an empty text, list or object, or `off`.
  void refuse(std::initializer_list<const char*> names, double off = 0.0);
  /// throws: ApiError 400 for a field that nobody asked for
  void finish() const;

  [[noreturn]] void fail(const std::string& name, const std::string& why) const;

 private:
  const nlohmann::json& object_;
  const std::string prefix_;
  std::set<std::string> asked_;
};

/// throws: ApiError 400 if it is no JSON, or nested too deeply
nlohmann::json parse_body(std::string_view text);

}  // namespace grpo::serve
