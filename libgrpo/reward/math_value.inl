/// Exact arithmetic on answers: a quotient of two polynomials over the rationals. Internal to reward/.
///
/// The polynomials' variables are the answer's symbols, pi, e, i, fractional powers of primes (2^(1/2) times 2^(1/2) is 2) and
/// whatever has no exact form of its own, such as ln 2 or the root of a sum, by the spelling of its parts. Two values are the same if
/// n1 d2 - n2 d1 is the zero polynomial: whatever is found the same is the same (as rational functions: x/x is 1). The converse
/// holds where `decided` says so, since products of fractional powers of different primes are independent over the
/// rationals (Besicovitch 1940).
#pragma once

#include "libgrpo/reward/math_tree.inl"

#include <compare>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace grpo::math {

/// A fraction of small integers, in lowest terms.
struct Exponent {
  int top = 1;
  int bottom = 1;
  bool operator==(const Exponent&) const = default;
};

struct Factor {
  int variable = 0;
  Exponent exponent = {};
  bool operator==(const Factor&) const = default;
};
using Monomial = std::vector<Factor>;  ///< by variable, each once, no exponent 0

struct Term {
  Monomial monomial;
  Rational coefficient;
};
using Polynomial = std::vector<Term>;  ///< each monomial once, no coefficient 0, in one order; empty is 0

struct Value {
  Polynomial top;
  Polynomial bottom;  ///< never 0
};

/// Values of one comparison: they share variables and a budget of work.
class Algebra {
 public:
  /// The value of a tree; none if it has none (a set, a division by 0) or the budget is spent.
  std::optional<Value> value(const Node& node);
  bool same(const Value& a, const Value& b);
  /// Whether a = c b for a constant c above 0, or any c but 0 if `any_sign`.
  bool proportional(const Value& a, const Value& b, bool any_sign);
  Value difference(const Value& a, const Value& b);
  /// False if a variable without an exact form was met: values found different may be the same.
  [[nodiscard]] bool decided() const { return decided_; }
  /// The budget is spent: nothing found since means anything.
  [[nodiscard]] bool exhausted() const { return fuel_ < 0; }

 private:
  enum class Kind { symbol, positive, prime, imaginary, opaque };  // positive: pi and e
  struct Variable {
    Kind kind;
    std::string key;
    Integer prime;
  };

  int variable(Kind kind, const std::string& key, const Integer& prime = 0);
  Value of_variable(int variable, Exponent exponent = {});
  Value opaque(const std::string& key);
  Monomial multiply(const Monomial& a, const Monomial& b, Rational& coefficient);
  Polynomial multiply(const Polynomial& a, const Polynomial& b);
  Polynomial add(const Polynomial& a, const Polynomial& b);
  Value add(const Value& a, const Value& b);
  Value multiply(const Value& a, const Value& b);
  std::optional<Value> inverse(const Value& a);
  std::optional<Value> power(const Value& base, const Value& exponent);
  std::optional<Value> integer_power(const Value& base, long exponent);
  std::optional<Value> fractional_power(const Value& base, Exponent exponent);
  std::optional<Value> radical(Rational base, Exponent exponent);
  std::optional<Value> function(const Node& node);
  std::string key(const Polynomial& p) const;
  std::string key(const Value& v) const { return key(v.top) + "/" + key(v.bottom); }
  bool spend(long work);
  bool fits(const Rational& r);

  std::vector<Variable> variables_;
  long fuel_ = 20000;
  int depth_ = 0;
  bool decided_ = true;
};

Value constant(const Rational& r);
/// The value if it is a rational number.
std::optional<Rational> rational(const Value& v);

/// n! and n over k, exactly; none if not of small integers.
std::optional<Rational> factorial(const Rational& n);
std::optional<Rational> binomial(const Rational& n, const Rational& k);

}  // namespace grpo::math
