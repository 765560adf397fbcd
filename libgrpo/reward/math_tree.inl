/// A mathematical answer as a small tree, and how it is read from LaTeX or plain text. Internal to reward/.
///
/// The grammar is what models write at the end of a solution: numbers (thousands separators, decimals, repeating decimals,
/// percents, mixed numbers), fractions, powers, roots, functions, sets, tuples, intervals, matrices, equations, inequalities,
/// units, words. It does not know limits, sums, integrals or logic; such an answer has no tree and is compared as text.
#pragma once

#include <boost/multiprecision/cpp_int.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace grpo::math {

using Integer = boost::multiprecision::cpp_int;
using Rational = boost::multiprecision::cpp_rational;

/// Limits of one answer. Whatever is beyond them has no tree.
inline constexpr std::size_t kMaxBytes = 4096;
inline constexpr std::size_t kMaxTokens = 600;
inline constexpr int kMaxDepth = 40;
inline constexpr std::size_t kMaxDigits = 600;  ///< of one number
inline constexpr unsigned kMaxBits = 2048;      ///< of the numerator and denominator of an exact number

enum class Op {
  number,      ///< `number`
  symbol,      ///< `text`: x, pi, e, i, oo, \alpha, x_1
  add,         ///< of all kids; a - b is a + (-1) b
  multiply,    ///< of all kids; a / b is a b^(-1)
  power,       ///< base, exponent
  root,        ///< radicand, index; the real root where there is one
  function,    ///< `text`: sin, ln, abs, binom, ..., or a letter: f(x)
  factorial,   ///< of one kid
  plus_minus,  ///< of one kid; `text` is + or - (for \mp)
  unit,        ///< one kid measured in `text`
  list,        ///< kids written one after another, without brackets
  set,         ///< kids in braces
  tuple,       ///< kids in the brackets of `text`: "()", "[)", ...
  unite,       ///< kids joined by `text`: U, I or \ (union, intersection, difference)
  relation,    ///< kids joined by the characters of `text`: = < > l (<=) g (>=) n (not equal) e (element of)
  matrix,      ///< kids are rows (op list)
  text,        ///< words
};

struct Node {
  Op op = Op::number;
  std::string text = {};
  Rational number = 0;
  std::vector<Node> kids = {};
};

/// How a comma between digits is read where both readings are possible: 100,200.
enum class Comma { thousands, separator };

/// The tree of an answer; none if it is no answer of this grammar or beyond the limits.
/// cost: linear in the text, which is not looked at beyond kMaxBytes. thread: pure
std::optional<Node> parse_math(std::string_view text, Comma comma = Comma::thousands);

/// The interval of 1 < x <= 2, x > 3 or 3 < x; none if the relation is none of these.
std::optional<Node> interval_of(const Node& relation);

}  // namespace grpo::math
