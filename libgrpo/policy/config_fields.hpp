/// Reading one JSON object of a model folder, field by field; what is wrong is an Error{data} that names file, field and
/// value. A field that is null counts as absent. Internal to policy/.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace grpo {

class ConfigFields {
 public:
  /// json: the text of an object
  ConfigFields(const std::string& json, std::filesystem::path file);

  [[nodiscard]] bool has(const std::string& key) const;
  [[nodiscard]] bool is_null(const std::string& key) const;  ///< there, and null
  [[nodiscard]] std::vector<std::string> keys() const;
  /// The field's JSON text; empty if absent.
  [[nodiscard]] std::string shown(const std::string& key) const;
  /// Whether the field has this value, given as JSON text; 1 equals 1.0.
  [[nodiscard]] bool equals(const std::string& key, const std::string& json) const;

  /// Without a fallback the field must be there.
  [[nodiscard]] std::int64_t integer(const std::string& key, std::optional<std::int64_t> fallback = {}) const;
  [[nodiscard]] double number(const std::string& key, std::optional<double> fallback = {}) const;
  [[nodiscard]] bool boolean(const std::string& key, bool fallback) const;
  [[nodiscard]] std::string text(const std::string& key, const std::string& fallback) const;
  /// Empty if absent; `count` >= 0: exactly so many otherwise.
  [[nodiscard]] std::vector<std::string> texts(const std::string& key, std::int64_t count = -1) const;
  [[nodiscard]] std::vector<double> numbers(const std::string& key, std::int64_t count = -1) const;
  /// The object in a field, or one without fields.
  [[nodiscard]] ConfigFields object(const std::string& key) const;

  [[noreturn]] void refuse(const std::string& why) const;
  /// "file: field = value is not supported; why"
  [[noreturn]] void refuse_value(const std::string& key, const std::string& why) const;
  [[noreturn]] void refuse_type(const std::string& key, const std::string& expected) const;

 private:
  struct Object;
  ConfigFields(std::shared_ptr<const Object> object, std::filesystem::path file, std::string prefix);

  std::shared_ptr<const Object> object_;
  std::filesystem::path file_;
  std::string prefix_;  // before field names in messages
};

}  // namespace grpo
