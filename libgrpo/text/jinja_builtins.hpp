/// Filters, tests, methods and global functions of jinja2 that chat templates use, and JSON in and out.
#pragma once

#include "libgrpo/text/jinja_loop.hpp"
#include "libgrpo/text/jinja_value.hpp"

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace grpo::jinja {

struct Arguments {
  Items positional;
  std::vector<std::pair<std::string, Value>> named;
};

/// Arguments laid out along a parameter list; an empty name is positional only.
class Bound {
 public:
  /// throws: Failure for too many, unknown or repeated arguments, or fewer than `required`
  Bound(std::string_view function, const Arguments& arguments, std::initializer_list<std::string_view> names, std::size_t required = 0);
  [[nodiscard]] bool has(std::size_t i) const { return values_[i] != nullptr; }
  /// Given, and not None.
  [[nodiscard]] bool some(std::size_t i) const { return values_[i] && !values_[i]->is<None>(); }
  [[nodiscard]] const Value& operator[](std::size_t i) const { return *values_[i]; }
  [[nodiscard]] bool flag(std::size_t i, bool preset = false) const { return has(i) ? truth(*values_[i]) : preset; }
  [[nodiscard]] std::int64_t integer(std::size_t i, std::int64_t preset) const;
  /// throws: Failure if it is not a string
  [[nodiscard]] const std::string& text(std::size_t i) const;

 private:
  std::string function_;
  std::vector<const Value*> values_;
};

Value apply_filter(std::string_view name, const Value& input, const Arguments& arguments, Budget& budget);
bool is_filter(std::string_view name);
bool is_test(std::string_view name);
bool apply_test(std::string_view name, const Value& input, const Arguments& arguments, Budget& budget);

/// Whether Python's type has such a method, known here or not.
bool is_method(const Value& value, std::string_view name);
/// A method that the sandbox forbids because it changes its object.
bool is_changing_method(const Value& value, std::string_view name);
Value call_method(const Value& self, std::string_view name, const Arguments& arguments, Budget& budget);
/// Methods of strings. Called by call_method.
Value call_text_method(const Value& self, std::string_view name, const Arguments& arguments, Budget& budget);
/// loop.index and the like; false if there is no such attribute
bool loop_attribute(LoopData& loop, std::string_view name, Value& result);

bool is_global(std::string_view name);
/// strftime_now(format): `now` in seconds since 1970
Value strftime_now(const Arguments& arguments, std::int64_t now);
/// range, dict, raise_exception. What needs the evaluator is called by it.
Value call_global(std::string_view name, const Arguments& arguments, Budget& budget);
/// dict(mapping or pairs, **named)
DictData build_dict(const Arguments& arguments, Budget& budget);

/// Python's int(text, base) and float(text); nullopt if it does not parse.
std::optional<std::int64_t> parse_integer(std::string_view text, int base);
std::optional<double> parse_float(std::string_view text);

/// json.dumps(value, ensure_ascii, indent, separators, sort_keys)
std::string to_json(const Value& value, const Bound& options, Budget& budget);
/// throws: Failure with the offset if it is no JSON, is nested too deep or holds an integer above 64 bits
Value from_json(std::string_view json);

}  // namespace grpo::jinja
