/// Text of a model as one line that a terminal cannot be fooled by.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace grpo {

/// At most `characters`, then "..."; control characters, those that turn the direction of writing, and backslashes as escapes
/// (\n, \x1b, \u202e), bytes that are no UTF-8 as U+FFFD.
std::string printable_line(std::string_view text, std::size_t characters);

}  // namespace grpo
