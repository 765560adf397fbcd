/// A value on its way from a recipe file or the command line to an option: what was written, before its type is known.
///
/// TOML and JSON values carry their type. A YAML scalar and a word of the command line are `text`: the option's type
/// decides what they mean, so that `run_name: 2024` is a string and `learning_rate: 1e-6` a number.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace grpo {

struct Value {
  enum class Kind { null, boolean, integer, floating, string, text, list, table, other };

  Value() = default;  // clang needs it said: the class holds pairs of itself

  Kind kind = Kind::null;
  bool boolean = false;
  std::int64_t integer = 0;
  double floating = 0.0;
  std::string string;                               ///< of string, text, and other (a date, say: its description)
  std::vector<Value> items;                         ///< of list
  std::vector<std::pair<std::string, Value>> keys;  ///< of table, in the order written
  bool quoted = false;                              ///< of text: stood in quotes
  std::size_t line = 0;                             ///< 1-based; 0 if unknown

  static Value of_boolean(bool value);
  static Value of_integer(std::int64_t value);
  static Value of_floating(double value);
  static Value of_string(std::string value);
  static Value of_text(std::string value);
};

/// One `name = value` of a source, in the order written.
struct Entry {
  std::string name;
  Value value;
  std::string table;  ///< "" at top level, else the TOML table or YAML map that holds it
};

/// What a reader throws; load.cpp puts the name of the source and the line in front.
struct SyntaxError : std::runtime_error {
  SyntaxError(std::size_t at_line, const std::string& why) : std::runtime_error(why), line(at_line) {}
  std::size_t line;
};

/// Limits that keep any input, however hostile, from exhausting stack, memory or time.
inline constexpr std::size_t kMaxRecipeBytes = std::size_t{1} << 20;
inline constexpr std::size_t kMaxRecipeDepth = 16;
inline constexpr std::size_t kMaxRecipeValues = 20000;

/// The value as a person would write it, control characters escaped, cut at `limit` bytes.
std::string show(const Value& value, std::size_t limit = 80);

/// Any bytes made fit for a message: control characters and broken UTF-8 escaped, cut at `limit` bytes.
std::string show_text(std::string_view text, std::size_t limit = 80);

/// A TOML basic string, quotes included.
std::string toml_string(std::string_view text);

/// Shortest decimal that reads back as the same double, always with a point or an exponent ("3.0", "1e-6").
std::string show_number(double value);

/// Readers. A table that only groups (a section's name) is opened and its keys are entries of their own; any other
/// table is a value. throws: SyntaxError
std::vector<Entry> read_toml(std::string_view text, const std::vector<std::string>& sections);
std::vector<Entry> read_yaml(const std::string& text, const std::vector<std::string>& sections);
Value read_json(std::string_view text);

}  // namespace grpo
