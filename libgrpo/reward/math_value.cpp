#include "libgrpo/reward/math_value.inl"

#include <algorithm>
#include <numeric>

namespace grpo::math {
namespace {

constexpr std::size_t kMaxTerms = 200;

bool by_monomial(const Monomial& a, const Monomial& b) {
  return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end(), [](const Factor& x, const Factor& y) {
    return std::tuple(x.variable, x.exponent.top, x.exponent.bottom) < std::tuple(y.variable, y.exponent.top, y.exponent.bottom);
  });
}

}  // namespace

Value constant(const Rational& r) {
  const Polynomial unit = {{{}, 1}};
  return {r == 0 ? Polynomial{} : Polynomial{{{}, r}}, unit};
}

std::optional<Rational> rational(const Value& v) {
  const auto plain = [](const Polynomial& p) { return p.empty() || (p.size() == 1 && p[0].monomial.empty()); };
  if (!plain(v.top) || !plain(v.bottom)) return std::nullopt;
  if (v.top.empty()) return Rational(0);
  return Rational(v.top[0].coefficient / v.bottom[0].coefficient);
}

bool Algebra::spend(long work) {
  fuel_ -= work;
  return fuel_ >= 0;
}

bool Algebra::fits(const Rational& r) {
  const auto bits = [](const Integer& n) { return n == 0 ? 0U : static_cast<unsigned>(boost::multiprecision::msb(abs(n))); };
  const unsigned most = std::max(bits(numerator(r)), bits(denominator(r)));
  spend(1 + most / 64);
  if (most > kMaxBits) fuel_ = -1;
  return fuel_ >= 0;
}

int Algebra::variable(Kind kind, const std::string& key, const Integer& prime) {
  for (std::size_t i = 0; i < variables_.size(); ++i) {
    if (variables_[i].kind == kind && variables_[i].key == key) return static_cast<int>(i);
  }
  variables_.push_back({kind, key, prime});
  return static_cast<int>(variables_.size()) - 1;
}

Value Algebra::of_variable(int variable, Exponent exponent) {
  Value v = constant(1);
  v.top[0].monomial.push_back({variable, exponent});
  return v;
}

Value Algebra::opaque(const std::string& key) {
  decided_ = false;
  if (key.size() > 2000) fuel_ = -1;
  return of_variable(variable(Kind::opaque, key));
}

// Exponents add; whole powers of a prime and squares of i go to the coefficient.
Monomial Algebra::multiply(const Monomial& a, const Monomial& b, Rational& coefficient) {
  Monomial out;
  out.reserve(a.size() + b.size());
  std::merge(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(out),
             [](const Factor& x, const Factor& y) { return x.variable < y.variable; });
  for (std::size_t i = 0; i < out.size();) {
    Exponent& e = out[i].exponent;
    while (i + 1 < out.size() && out[i + 1].variable == out[i].variable) {
      const Exponent f = out[i + 1].exponent;
      const int bottom = std::lcm(e.bottom, f.bottom), top = e.top * (bottom / e.bottom) + f.top * (bottom / f.bottom);
      const int common = std::max(1, std::gcd(top, bottom));
      e = {top / common, bottom / common};
      out.erase(out.begin() + static_cast<std::ptrdiff_t>(i) + 1);
    }
    if (std::abs(e.top) > 4096 || e.bottom > 64) {
      fuel_ = -1;
      return {};
    }
    const Variable& v = variables_[static_cast<std::size_t>(out[i].variable)];
    if (v.kind == Kind::imaginary) {
      const int turns = ((e.top % 4) + 4) % 4;
      if (turns >= 2) coefficient = -coefficient;
      e.top = turns % 2;
    } else if (v.kind == Kind::prime) {
      int whole = e.top / e.bottom;
      if (e.top % e.bottom < 0) --whole;
      if (whole != 0) {
        const Integer factor = boost::multiprecision::pow(v.prime, static_cast<unsigned>(std::abs(whole)));
        coefficient *= whole > 0 ? Rational(factor) : Rational(Integer(1), factor);
        e.top -= whole * e.bottom;
        if (!fits(coefficient)) return {};
      }
    }
    if (e.top == 0) {
      out.erase(out.begin() + static_cast<std::ptrdiff_t>(i));
    } else {
      ++i;
    }
  }
  return out;
}

Polynomial Algebra::add(const Polynomial& a, const Polynomial& b) {
  Polynomial out;
  if (!spend(static_cast<long>(a.size() + b.size()))) return out;
  std::size_t i = 0, j = 0;
  while (i < a.size() || j < b.size()) {
    if (j == b.size() || (i < a.size() && by_monomial(a[i].monomial, b[j].monomial))) {
      out.push_back(a[i++]);
    } else if (i == a.size() || by_monomial(b[j].monomial, a[i].monomial)) {
      out.push_back(b[j++]);
    } else {
      Rational sum = a[i].coefficient + b[j].coefficient;
      if (!fits(sum)) return {};
      if (sum != 0) out.push_back({a[i].monomial, std::move(sum)});
      ++i, ++j;
    }
  }
  return out;
}

Polynomial Algebra::multiply(const Polynomial& a, const Polynomial& b) {
  if (a.size() * b.size() > kMaxTerms * 4) fuel_ = -1;
  Polynomial out;
  for (const Term& x : a) {
    for (const Term& y : b) {
      Rational c = x.coefficient * y.coefficient;
      if (!spend(2) || !fits(c)) return {};
      Monomial m = multiply(x.monomial, y.monomial, c);
      out.push_back({std::move(m), std::move(c)});
    }
  }
  if (out.size() < 2) return out;
  std::sort(out.begin(), out.end(), [](const Term& x, const Term& y) { return by_monomial(x.monomial, y.monomial); });
  Polynomial joined;
  for (Term& term : out) {
    if (!joined.empty() && joined.back().monomial == term.monomial) {
      joined.back().coefficient += term.coefficient;
      if (!fits(joined.back().coefficient)) return {};
    } else {
      if (!joined.empty() && joined.back().coefficient == 0) joined.pop_back();
      joined.push_back(std::move(term));
    }
  }
  if (!joined.empty() && joined.back().coefficient == 0) joined.pop_back();
  if (joined.size() > kMaxTerms) fuel_ = -1;
  return joined;
}

Value Algebra::add(const Value& a, const Value& b) {
  if (rational({a.bottom, a.bottom}) && rational({b.bottom, b.bottom}) && a.bottom[0].coefficient == b.bottom[0].coefficient)
    return {add(a.top, b.top), a.bottom};
  return {add(multiply(a.top, b.bottom), multiply(b.top, a.bottom)), multiply(a.bottom, b.bottom)};
}

Value Algebra::multiply(const Value& a, const Value& b) { return {multiply(a.top, b.top), multiply(a.bottom, b.bottom)}; }

Value Algebra::difference(const Value& a, const Value& b) { return add(a, multiply(constant(-1), b)); }

// Of a single term exactly, so that sums over it keep a common bottom; else the fraction turned over.
std::optional<Value> Algebra::inverse(const Value& a) {
  if (a.top.empty() || exhausted()) return std::nullopt;
  if (a.top.size() > 1) return Value{a.bottom, a.top};
  Rational c = 1 / a.top[0].coefficient;
  Monomial turned = a.top[0].monomial;
  for (Factor& f : turned) f.exponent.top = -f.exponent.top;
  Monomial m = multiply(turned, {}, c);
  return multiply({a.bottom, constant(1).top}, {Polynomial{{std::move(m), std::move(c)}}, constant(1).top});
}

bool Algebra::same(const Value& a, const Value& b) {
  if (exhausted() || a.bottom.empty() || b.bottom.empty()) return false;
  const Polynomial left = multiply(a.top, b.bottom), right = multiply(b.top, a.bottom);
  if (exhausted() || left.size() != right.size()) return false;
  return std::equal(left.begin(), left.end(), right.begin(),
                    [](const Term& x, const Term& y) { return x.coefficient == y.coefficient && x.monomial == y.monomial; });
}

bool Algebra::proportional(const Value& a, const Value& b, bool any_sign) {
  // Bottoms are constants in what people write; an equation with x below a line is compared as it stands.
  const Polynomial left = multiply(a.top, b.bottom), right = multiply(b.top, a.bottom);
  if (exhausted() || left.empty() || left.size() != right.size()) return false;
  const Rational ratio = left[0].coefficient / right[0].coefficient;
  if (!any_sign && ratio < 0) return false;
  return std::equal(left.begin(), left.end(), right.begin(),
                    [&](const Term& x, const Term& y) { return x.monomial == y.monomial && x.coefficient == ratio * y.coefficient; });
}

std::string Algebra::key(const Polynomial& p) const {
  std::string out;
  for (const Term& term : p) {
    out += "+" + term.coefficient.str();
    for (const Factor& f : term.monomial)
      out += "*v" + std::to_string(f.variable) + "^" + std::to_string(f.exponent.top) + ":" + std::to_string(f.exponent.bottom);
  }
  return out;
}

}  // namespace grpo::math
