// From a tree to its exact value: powers, roots and functions.
#include "libgrpo/reward/math_value.inl"

#include <algorithm>
#include <numeric>

namespace grpo::math {
namespace {

constexpr long kMaxPower = 1024;

std::optional<long> small_integer(const Rational& r, long limit) {
  if (denominator(r) != 1 || abs(numerator(r)) > limit) return std::nullopt;
  return numerator(r).convert_to<long>();
}

unsigned bits(const Integer& n) { return n == 0 ? 0 : static_cast<unsigned>(boost::multiprecision::msb(abs(n))) + 1; }

// The q-th root of n > 0 if it is an integer.
std::optional<Integer> exact_root(const Integer& n, unsigned q) {
  Integer low = 0, high = Integer(1) << (bits(n) / q + 1);
  while (low < high) {
    const Integer middle = (low + high + 1) / 2;
    if (boost::multiprecision::pow(middle, q) <= n)
      low = middle;
    else
      high = middle - 1;
  }
  if (boost::multiprecision::pow(low, q) != n) return std::nullopt;
  return low;
}

}  // namespace

std::optional<Rational> factorial(const Rational& n) {
  const auto small = small_integer(n, 170);
  if (!small || *small < 0) return std::nullopt;
  Integer product = 1;
  for (long i = 2; i <= *small; ++i) product *= i;
  return Rational(product);
}

std::optional<Rational> binomial(const Rational& n, const Rational& k) {
  const auto top = small_integer(n, 300), bottom = small_integer(k, 300);
  if (!top || !bottom || *bottom < 0 || *top < *bottom) return std::nullopt;
  Integer value = 1;
  for (long i = 1; i <= *bottom; ++i) value = value * (*top - *bottom + i) / i;
  return Rational(value);
}

std::optional<Value> Algebra::integer_power(const Value& base, long exponent) {
  if (exponent < 0) {
    const auto turned = inverse(base);
    return turned ? integer_power(*turned, -exponent) : std::nullopt;
  }
  if (const auto r = rational(base)) {
    if (*r == 0 && exponent == 0) return std::nullopt;
    if (std::max(bits(numerator(*r)), bits(denominator(*r))) * static_cast<unsigned long>(exponent) > kMaxBits && *r != 1 && *r != -1) {
      fuel_ = -1;
      return std::nullopt;
    }
    if (*r == 1 || *r == -1) return constant(exponent % 2 == 0 ? Rational(1) : *r);
    const auto n = static_cast<unsigned>(exponent);
    return constant(Rational(boost::multiprecision::pow(numerator(*r), n), boost::multiprecision::pow(denominator(*r), n)));
  }
  if (exponent > 64 && base.top.size() * base.bottom.size() > 1) {
    fuel_ = -1;
    return std::nullopt;
  }
  Value out = constant(1), square = base;
  for (long n = exponent; n > 0; n /= 2) {
    if (n % 2 == 1) out = multiply(out, square);
    if (n > 1) square = multiply(square, square);
    if (exhausted()) return std::nullopt;
  }
  return out;
}

// (a/b)^(p/q) by the primes of a and b. Odd roots of negative numbers are the real ones; square roots give i.
std::optional<Value> Algebra::radical(Rational base, Exponent e) {
  if (base == 0) return e.top > 0 ? std::optional(constant(0)) : std::nullopt;
  Value out = constant(1);
  if (base < 0) {
    base = -base;
    if (e.bottom % 2 == 1) {
      if (e.top % 2 != 0) out = constant(-1);
    } else if (e.bottom == 2) {
      out = *integer_power(of_variable(variable(Kind::imaginary, "i")), ((e.top % 4) + 4) % 4);
    } else {
      return opaque("root(" + Rational(-base).str() + "^" + std::to_string(e.top) + ":" + std::to_string(e.bottom) + ")");
    }
  }
  for (const bool below : {false, true}) {
    Integer n = below ? denominator(base) : numerator(base);
    const Exponent signed_e = {below ? -e.top : e.top, e.bottom};
    const auto put = [&](const Integer& prime, int count) {
      if (prime == 1) return;
      Rational c = 1;
      Exponent power = {signed_e.top * count, signed_e.bottom};
      const int common = std::gcd(power.top, power.bottom);
      power = {power.top / common, power.bottom / common};
      Monomial m = multiply({{variable(Kind::prime, prime.str(), prime), power}}, {}, c);
      out = multiply(out, {Polynomial{{std::move(m), std::move(c)}}, constant(1).top});
    };
    if (n == 1) continue;
    if (bits(n) <= 62) {
      auto rest = n.convert_to<unsigned long>();
      for (unsigned long p = 2; p < 1000 && p * p <= rest; p += p == 2 ? 1 : 2) {
        int count = 0;
        for (; rest % p == 0; rest /= p) ++count;
        if (count > 0) put(Integer(p), count);
      }
      spend(50);
      n = rest;
      if (n < 1000000) {
        put(n, 1);
        continue;
      }
    }
    if (const auto root = exact_root(n, static_cast<unsigned>(e.bottom))) {
      const auto whole = integer_power(constant(Rational(*root)), signed_e.top);
      if (!whole) return std::nullopt;
      out = multiply(out, *whole);
    } else {
      decided_ = false;  // not known to be prime
      put(n, 1);
    }
  }
  if (exhausted()) return std::nullopt;
  return out;
}

std::optional<Value> Algebra::fractional_power(const Value& base, Exponent e) {
  if (const auto r = rational(base)) return radical(*r, e);
  const bool single = base.top.size() == 1 && base.bottom.size() == 1 && base.bottom[0].monomial.empty();
  if (single) {
    // c x^(1) and positive variables: (c x)^e is c^e x^e for c > 0. (x^2)^(1/2) is not x.
    const Rational c = base.top[0].coefficient / base.bottom[0].coefficient;
    int free = 0;
    for (const Factor& f : base.top[0].monomial) {
      const Kind kind = variables_[static_cast<std::size_t>(f.variable)].kind;
      if (kind == Kind::positive || kind == Kind::prime) continue;
      free += kind == Kind::symbol && f.exponent == Exponent{} ? 1 : 2;
    }
    if (c > 0 && free < 2) {
      auto out = radical(c, e);
      if (!out) return std::nullopt;
      for (const Factor& f : base.top[0].monomial) {
        const int top = f.exponent.top * e.top, bottom = f.exponent.bottom * e.bottom, common = std::gcd(top, bottom);
        if (bottom > 64 || std::abs(top) > 4096) return std::nullopt;
        Rational coefficient = 1;
        Monomial m = multiply({{f.variable, {top / common, bottom / common}}}, {}, coefficient);
        out = multiply(*out, {Polynomial{{std::move(m), std::move(coefficient)}}, constant(1).top});
      }
      return out;
    }
  }
  return opaque("root(" + key(base) + "^" + std::to_string(e.top) + ":" + std::to_string(e.bottom) + ")");
}

std::optional<Value> Algebra::power(const Value& base, const Value& exponent) {
  const auto e = rational(exponent);
  if (!e) return opaque("pow(" + key(base) + "," + key(exponent) + ")");
  if (denominator(*e) == 1) {
    const auto n = small_integer(*e, kMaxPower);
    if (n) return integer_power(base, *n);
    const auto r = rational(base);
    if (r && (*r == 1 || *r == -1)) return constant(numerator(*e) % 2 == 0 ? Rational(1) : *r);
    fuel_ = -1;
    return std::nullopt;
  }
  if (denominator(*e) > 64 || abs(numerator(*e)) > 256) return opaque("pow(" + key(base) + "," + key(exponent) + ")");
  return fractional_power(base, {numerator(*e).convert_to<int>(), denominator(*e).convert_to<int>()});
}

std::optional<Value> Algebra::function(const Node& node) {
  std::vector<Value> arguments;
  for (const Node& kid : node.kids) {
    auto v = value(kid);
    if (!v) return std::nullopt;
    arguments.push_back(std::move(*v));
  }
  const auto first = rational(arguments[0]);
  if (node.text == "abs" && first) return constant(abs(*first));
  if (node.text == "binom") {
    const auto second = rational(arguments[1]);
    if (!first || !second) return std::nullopt;
    const auto n = binomial(*first, *second);
    return n ? std::optional(constant(*n)) : std::nullopt;
  }
  if (node.text == "ln" && first && *first == 1) return constant(0);
  std::string name = node.text + "(";
  for (const Value& v : arguments) name += key(v) + ",";
  return opaque(name + ")");
}

std::optional<Value> Algebra::value(const Node& node) {
  if (depth_ > 2 * kMaxDepth || !spend(1)) return std::nullopt;
  struct Deeper {
    int& depth;
    explicit Deeper(int& d) : depth(d) { ++depth; }
    ~Deeper() { --depth; }
  } deeper(depth_);
  switch (node.op) {
    case Op::number: return fits(node.number) ? std::optional(constant(node.number)) : std::nullopt;
    case Op::symbol:
      if (node.text == "i") return of_variable(variable(Kind::imaginary, "i"));
      return of_variable(variable(node.text == "pi" || node.text == "e" ? Kind::positive : Kind::symbol, node.text));
    case Op::add:
    case Op::multiply: {
      Value out = constant(node.op == Op::add ? 0 : 1);
      for (const Node& kid : node.kids) {
        const auto v = value(kid);
        if (!v) return std::nullopt;
        out = node.op == Op::add ? add(out, *v) : multiply(out, *v);
        if (exhausted()) return std::nullopt;
      }
      return out;
    }
    case Op::power:
    case Op::root: {
      const auto base = value(node.kids[0]);
      if (!base) return std::nullopt;
      auto exponent = value(node.kids[1]);
      if (!exponent) return std::nullopt;
      if (node.op == Op::root) exponent = inverse(*exponent);
      return exponent ? power(*base, *exponent) : std::nullopt;
    }
    case Op::function: return function(node);
    case Op::factorial: {
      const auto v = value(node.kids[0]);
      const auto r = v ? rational(*v) : std::nullopt;
      const auto n = r ? factorial(*r) : std::nullopt;
      return n ? std::optional(constant(*n)) : std::nullopt;
    }
    case Op::unit: {
      const auto v = value(node.kids[0]);
      if (!v) return std::nullopt;
      if (node.text == "%") return multiply(*v, constant(Rational(1, 100)));
      if (node.text == "degree") return multiply(multiply(*v, constant(Rational(1, 180))), of_variable(variable(Kind::positive, "pi")));
      return std::nullopt;
    }
    default: return std::nullopt;
  }
}

}  // namespace grpo::math
