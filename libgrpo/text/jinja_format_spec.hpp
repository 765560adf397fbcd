/// Python's format specifications: [[fill]align][sign][#][0][width][, or _][.precision][type].
#pragma once

#include "libgrpo/text/jinja_value.hpp"

#include <string>
#include <string_view>

namespace grpo::jinja {

/// format(value, spec) for text, integers, booleans and floats; other values take the empty spec only, as in Python.
/// The types c and n are left out. throws: Failure
std::string format_value(const Value& value, std::string_view spec, Budget& budget);

}  // namespace grpo::jinja
