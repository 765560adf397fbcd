/// The tables of str's methods. Internal to the methods; everyone else calls call_method().
#pragma once

#include "libgrpo/text/jinja_builtins.hpp"

#include <map>
#include <string>
#include <string_view>

namespace grpo::jinja {

struct TextCall {
  std::string_view name;
  const std::string& self;
  bool markup;
  const Arguments& arguments;
  Budget& budget;

  [[nodiscard]] Value like(std::string text) const { return Value(std::move(text), markup); }
  [[nodiscard]] bool from_right() const { return name[0] == 'r'; }
};

using TextMethods = std::map<std::string_view, Value (*)(const TextCall&)>;
const TextMethods& character_methods();  ///< find, strip, upper, isdigit, ...
const TextMethods& split_methods();      ///< split, join, replace, ...
/// "{} {name.key[0]:>8}".format(...), with Python's format specifications for text, integers and floats.
Value format_method(const TextCall& call);

}  // namespace grpo::jinja
