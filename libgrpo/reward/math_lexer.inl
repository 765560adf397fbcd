/// Pieces of an answer in LaTeX or plain text. Internal to reward/; math_tree.inl has the grammar.
#pragma once

#include "libgrpo/reward/math_tree.inl"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace grpo::math {

struct Token {
  enum class Kind {
    end,
    number,    ///< `text`: digits, at most one point, perhaps an exponent ("1.5e3")
    name,      ///< a letter, pi, oo, or a command without a meaning of its own
    function,  ///< sin, ln, ...
    word,      ///< a run of letters that is no product, or what \text{} holds
    currency,  ///< dollar, euro, pound
    command,   ///< frac, sqrt, binom, overline, begin, end, mathbb: takes arguments
    sign,      ///< `sign`
  };
  Kind kind = Kind::end;
  /// + - * / ^ _ ( ) [ ] { } | , = < > ! % & as they are; S T \{ \}, l g n e relations (math_tree.inl), U I \ set operators,
  /// P M plus-minus, D degree, R end of a matrix row.
  char sign = 0;
  std::string text = {};
  bool spaced = false;  ///< white space before it
};

/// The tokens, an `end` behind them; none if there are too many, or a character that no answer has.
std::optional<std::vector<Token>> lex_math(std::string_view text, Comma comma);

}  // namespace grpo::math
