/// The vocabulary of answers: which words, commands and characters mean what. Internal to reward/.
#pragma once

#include <string>
#include <string_view>

namespace grpo::math {

enum class CommandKind {
  name,      ///< a symbol, or one of command_sign()
  ignored,   ///< \left, \displaystyle, spaces
  style,     ///< \text, \mathrm, ...: one argument, shown in another font
  argument,  ///< \frac, \sqrt, ...: read by the parser
  function,  ///< \sin, \ln, ...
};

struct UnicodeSign {
  std::string_view bytes;
  char sign;              ///< of a sign token, ' ' for a space, or 0
  std::string_view name;  ///< of a name token
};

/// A LaTeX command by its name without the backslash.
CommandKind command_kind(std::string_view name);
/// The sign (math_lexer.inl) that \name stands for; 0 if none.
char command_sign(std::string_view name);
/// The sign that a word stands for: , for "and", % for "percent"; 0 if none.
char word_sign(std::string_view word);
bool is_function(std::string_view word);
/// "cm", "km", "hours", ...: two letters or more.
bool is_unit(std::string_view word);
/// Words of two letters that are no product.
bool is_word(std::string_view word);
/// The sign that the text begins with; null if it is none of those known.
const UnicodeSign* find_unicode(std::string_view text);

/// A unit in one spelling: lower case, no spaces, no plural, usual abbreviations; "square centimeters" and "cm^2" agree.
std::string canonical_unit(std::string_view unit);

}  // namespace grpo::math
