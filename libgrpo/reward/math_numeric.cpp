#include "libgrpo/reward/math_numeric.inl"

#include "libgrpo/base/random.hpp"
#include "libgrpo/reward/math_value.inl"

#include <boost/multiprecision/cpp_bin_float.hpp>

#include <algorithm>

namespace grpo::math {
namespace {

using Real = boost::multiprecision::number<boost::multiprecision::cpp_bin_float<50>, boost::multiprecision::et_off>;

constexpr int kMaxDigitsHere = 24;
constexpr int kMaxNodes = 120;
constexpr int kMaxFunctions = 8;

struct Complex {
  Real re = 0;
  Real im = 0;
};

struct Outside {};  // of the bounds: thrown and caught in this file alone

class Numeric {
 public:
  explicit Numeric(int point) : point_(point) {}

  Complex value(const Node& node) {
    if (++nodes_ > kMaxNodes) throw Outside{};
    switch (node.op) {
      case Op::number: {
        const auto digits = numerator(node.number).str().size() + denominator(node.number).str().size();
        if (digits > kMaxDigitsHere || (digits_ += digits) > 2 * kMaxDigitsHere) throw Outside{};
        return checked({Real(numerator(node.number)) / Real(denominator(node.number)), 0}, false);
      }
      case Op::symbol: return symbol(node.text);
      case Op::add: {
        Complex sum;
        for (const Node& kid : node.kids) {
          const Complex v = value(kid);
          sum = {sum.re + v.re, sum.im + v.im};
        }
        return checked(sum, true);
      }
      case Op::multiply: {
        Complex product{1, 0};
        for (const Node& kid : node.kids) product = times(product, value(kid));
        return checked(product, false);
      }
      case Op::power: return checked(power(value(node.kids[0]), value(node.kids[1])), false);
      case Op::root: return checked(root(value(node.kids[0]), value(node.kids[1])), false);
      case Op::function: return checked(function(node), true);
      case Op::unit: {
        const Complex v = value(node.kids[0]);
        if (node.text == "%") return checked(times(v, {Real(1) / 100, 0}), false);
        if (node.text == "degree") return checked(times(v, {pi() / 180, 0}), false);
        throw Outside{};
      }
      default: throw Outside{};
    }
  }

  const Real& largest() const { return largest_; }

 private:
  static Real pi() { return acos(Real(-1)); }

  // A sum or a function may vanish, nothing else; what nearly does could be a difference that 50 digits do not show.
  Complex checked(Complex v, bool may_vanish) {
    const Real size = std::max(abs(v.re), abs(v.im));
    if (size > Real("1e12")) throw Outside{};
    largest_ = std::max(largest_, size);
    const Real zero = Real("1e-44") * largest_;
    if (may_vanish && size < zero) return {};
    if (size != 0 && size < Real("1e-12")) throw Outside{};
    if (abs(v.im) < zero) v.im = 0;
    if (abs(v.re) < zero) v.re = 0;
    return v;
  }

  Complex symbol(const std::string& name) const {
    if (name == "pi") return {pi(), 0};
    if (name == "e") return {exp(Real(1)), 0};
    if (name == "i") return {0, 1};
    if (name == "oo" || name.size() > 20) throw Outside{};
    const std::uint64_t hash = fnv1a(name, static_cast<std::uint64_t>(point_) + 7);
    const Real at = Real(1) / 4 + Real(static_cast<unsigned>(derive_seed(hash, 3) >> 40U)) / Real(1U << 24U) * 2;
    return {point_ == 1 ? Real(-at) : at, 0};
  }

  static Complex times(const Complex& a, const Complex& b) { return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re}; }

  Complex over(const Complex& a, const Complex& b) const {
    const Real size = b.re * b.re + b.im * b.im;
    if (size == 0) throw Outside{};
    const Complex v = times(a, {b.re, -b.im});
    return {v.re / size, v.im / size};
  }

  void count() {
    if (++functions_ > kMaxFunctions) throw Outside{};
  }

  Complex log(const Complex& z) {
    count();
    const Real size = sqrt(z.re * z.re + z.im * z.im);
    if (size == 0) throw Outside{};
    return {boost::multiprecision::log(size), z.im == 0 ? (z.re > 0 ? Real(0) : pi()) : Real(atan2(z.im, z.re))};
  }

  Complex exp_of(const Complex& z) {
    count();
    if (abs(z.re) > 28) throw Outside{};
    const Real size = exp(z.re);
    return z.im == 0 ? Complex{size, 0} : Complex{size * cos(z.im), size * sin(z.im)};
  }

  Complex power(const Complex& base, const Complex& exponent) {
    if (exponent.im == 0 && exponent.re == floor(exponent.re) && abs(exponent.re) <= 64) {
      const int n = static_cast<int>(exponent.re);
      Complex out{1, 0};
      for (int i = 0; i < std::abs(n); ++i) out = times(out, base);
      return n < 0 ? over({1, 0}, out) : out;
    }
    if (base.re == 0 && base.im == 0) throw Outside{};
    if (exponent.im == 0 && base.im == 0 && base.re < 0) {  // odd roots of negative numbers are real
      for (const int q : {3, 5, 7}) {
        const Real p = exponent.re * q;
        if (abs(p - round(p)) > Real("1e-40")) continue;
        const Complex v = exp_of(times(exponent, log({-base.re, 0})));
        return static_cast<long>(round(p)) % 2 == 0 ? v : Complex{-v.re, 0};
      }
    }
    return exp_of(times(exponent, log(base)));
  }

  Complex root(const Complex& radicand, const Complex& index) {
    if (index.im == 0 && index.re == 2 && radicand.im == 0) {
      const Real size = sqrt(abs(radicand.re));
      return radicand.re < 0 ? Complex{0, size} : Complex{size, 0};
    }
    if (radicand.re == 0 && radicand.im == 0) return {};
    return power(radicand, over({1, 0}, index));
  }

  Complex function(const Node& node) {
    const std::string& name = node.text;
    if (node.kids.size() != 1) throw Outside{};
    const Complex z = value(node.kids[0]);
    if (name == "ln") return log(z);
    if (name == "abs") return {sqrt(z.re * z.re + z.im * z.im), 0};
    count();
    if (z.im != 0) throw Outside{};
    const Real& x = z.re;
    if (name == "sin") return {sin(x), 0};
    if (name == "cos") return {cos(x), 0};
    if (name == "tan") return over({sin(x), 0}, checked({cos(x), 0}, true));
    if (name == "cot") return over({cos(x), 0}, checked({sin(x), 0}, true));
    if (name == "sec") return over({1, 0}, checked({cos(x), 0}, true));
    if (name == "csc") return over({1, 0}, checked({sin(x), 0}, true));
    if (name == "arctan") return {atan(x), 0};
    if (abs(x) > 28) throw Outside{};
    if (name == "sinh") return {sinh(x), 0};
    if (name == "cosh") return {cosh(x), 0};
    if (name == "tanh") return {tanh(x), 0};
    if (abs(x) > 1) throw Outside{};
    if (name == "arcsin") return {asin(x), 0};
    if (name == "arccos") return {acos(x), 0};
    throw Outside{};
  }

  int point_;
  int nodes_ = 0;
  int functions_ = 0;
  std::size_t digits_ = 0;
  Real largest_ = 1;
};

bool has_symbol(const Node& node) {
  if (node.op == Op::symbol) return node.text != "pi" && node.text != "e" && node.text != "i";
  return std::any_of(node.kids.begin(), node.kids.end(), has_symbol);
}

}  // namespace

bool same_number(const Node& a, const Node& b) {
  const int points = has_symbol(a) || has_symbol(b) ? 3 : 1;
  try {
    for (int point = 0; point < points; ++point) {
      Numeric left(point), right(point);
      const Complex x = left.value(a), y = right.value(b);
      const Real tolerance = Real("1e-42") * std::max(left.largest(), right.largest());
      if (abs(x.re - y.re) > tolerance || abs(x.im - y.im) > tolerance) return false;
    }
  } catch (const Outside&) {
    return false;
  }
  return true;
}

}  // namespace grpo::math
