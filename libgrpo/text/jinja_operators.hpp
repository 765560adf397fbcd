/// Operators and lookups, with Python's meaning and jinja2's rules for what is missing.
#pragma once

#include "libgrpo/text/jinja_value.hpp"

#include <string_view>

namespace grpo::jinja {

/// a + b and the other arithmetic: + - * / // % **. throws: Failure (types, zero, overflow)
Value arithmetic(std::string_view operation, const Value& a, const Value& b, Budget& budget);
Value unary(std::string_view sign, const Value& value);
/// a in b
bool contains(const Value& container, const Value& item, Budget& budget);
/// == != < <= > >= in "not in"
bool compared(std::string_view operation, const Value& a, const Value& b, Budget& budget);

/// value.name: a method or an entry, else undefined.
Value get_attribute(const Value& value, std::string_view name, Budget& budget);
/// value[key]: an entry, else a method, else undefined.
Value get_item(const Value& value, const Value& key, Budget& budget);
/// value[start:stop:step]; undefined parts are Python's None.
Value get_slice(const Value& value, const Value& start, const Value& stop, const Value& step, Budget& budget);

/// Python's text % values.
std::string percent_format(std::string_view format, const Value& values, Budget& budget);
/// & < > " ' as HTML entities.
std::string escape_html(std::string_view text);
/// The reason an undefined value gives when it is used. throws: Failure, always
[[noreturn]] void fail_undefined(const Value& value);

}  // namespace grpo::jinja
