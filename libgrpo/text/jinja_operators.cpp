#include "libgrpo/text/jinja_operators.hpp"

#include "libgrpo/text/jinja_unicode.hpp"

#include <algorithm>
#include <cmath>

namespace grpo::jinja {
namespace {

/// An int or a bool.
const std::int64_t* as_integer(const Value& value, std::int64_t& storage) {
  if (const auto* b = value.as<bool>()) return storage = *b ? 1 : 0, &storage;
  if (const auto* i = value.as<std::int64_t>()) return storage = *i, &storage;
  return nullptr;
}

bool as_double(const Value& value, double& number) {
  std::int64_t storage = 0;
  if (const auto* i = as_integer(value, storage)) return number = static_cast<double>(*i), true;
  if (const auto* d = value.as<double>()) return number = *d, true;
  return false;
}

[[noreturn]] void fail_types(std::string_view operation, const Value& a, const Value& b) {
  throw Failure("unsupported operand types for " + std::string(operation) + ": '" + type_name(a) + "' and '" + type_name(b) + "'");
}

/// `value` is a reference because the overflow flag and the value are arguments of one call, in no order.
std::int64_t checked(bool overflow, const std::int64_t& value) {
  if (overflow) throw Failure("integer overflow: values are limited to 64 bits");
  return value;
}

std::int64_t floor_divide(std::int64_t a, std::int64_t b) {
  if (b == 0) throw Failure("division by zero");
  if (b == -1) {
    std::int64_t result = 0;
    return checked(__builtin_sub_overflow(std::int64_t{0}, a, &result), result);
  }
  return a / b - ((a % b != 0 && (a < 0) != (b < 0)) ? 1 : 0);
}

std::int64_t integer_power(std::int64_t base, std::int64_t exponent) {
  std::int64_t result = 1;
  if (base == 0 || base == 1) return exponent == 0 ? 1 : base;
  if (base == -1) return exponent % 2 == 0 ? 1 : -1;
  for (; exponent > 0; --exponent) {  // at most 63 turns before it overflows
    checked(__builtin_mul_overflow(result, base, &result), 0);
  }
  return result;
}

Value integer_arithmetic(std::string_view operation, std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  if (operation == "+") return checked(__builtin_add_overflow(a, b, &result), result);
  if (operation == "-") return checked(__builtin_sub_overflow(a, b, &result), result);
  if (operation == "*") return checked(__builtin_mul_overflow(a, b, &result), result);
  if (operation == "//") return floor_divide(a, b);
  if (operation == "%") return b == -1 ? Value(std::int64_t{0}) : Value(a - floor_divide(a, b) * b);
  if (operation == "**") {
    if (b >= 0) return integer_power(a, b);
    if (a == 0) throw Failure("0 to a negative power");
    return std::pow(static_cast<double>(a), static_cast<double>(b));
  }
  if (b == 0) throw Failure("division by zero");
  return static_cast<double>(a) / static_cast<double>(b);
}

Value float_arithmetic(std::string_view operation, double a, double b) {
  if (operation == "+") return a + b;
  if (operation == "-") return a - b;
  if (operation == "*") return a * b;
  if (operation == "**") {
    if (a == 0 && b < 0) throw Failure("0 to a negative power");
    const double result = std::pow(a, b);
    if (std::isnan(result) && !std::isnan(a) && !std::isnan(b)) throw Failure("the result of ** is a complex number");
    if (std::isinf(result) && !std::isinf(a) && !std::isinf(b)) throw Failure("the result of ** is too large");
    return result;
  }
  if (b == 0) throw Failure("division by zero");
  if (operation == "/") return a / b;
  double rest = std::fmod(a, b);
  double quotient = (a - rest) / b;
  if (rest != 0 && (b < 0) != (rest < 0)) {
    rest += b;
    quotient -= 1;
  }
  if (rest == 0) rest = std::copysign(0.0, b);
  if (operation == "%") return rest;
  if (quotient == 0) return std::copysign(0.0, a / b);
  const double floored = std::floor(quotient);
  return quotient - floored > 0.5 ? floored + 1 : floored;
}

Value repeat(const Value& value, std::int64_t count, Budget& budget) {
  const auto times = static_cast<std::size_t>(std::max<std::int64_t>(count, 0));
  const std::string* text = value.text();
  const std::size_t size = text ? text->size() : value.list()->size() * sizeof(Value);
  if (size > 0 && times > kMaxValueBytes / size) {
    throw Failure("repeating " + std::to_string(size) + " bytes " + std::to_string(count) + " times is above the limit");
  }
  budget.take(size * times);
  if (text) {
    std::string out;
    for (std::size_t i = 0; !text->empty() && i < times; ++i) out += *text;
    return Value(std::move(out), value.as<Text>()->markup);
  }
  Items items;
  for (std::size_t i = 0; !value.list()->empty() && i < times; ++i) {
    items.insert(items.end(), value.list()->begin(), value.list()->end());
  }
  return make_list(std::move(items), value.as<List>()->tuple);
}

Value add_texts(const Value& a, const Value& b, Budget& budget) {
  const bool a_markup = a.as<Text>()->markup;
  const bool b_markup = b.as<Text>()->markup;
  budget.take(a.text()->size() + b.text()->size());
  if (a_markup == b_markup) return Value(*a.text() + *b.text(), a_markup);
  std::string out = (a_markup ? *a.text() : escape_html(*a.text())) + (b_markup ? *b.text() : escape_html(*b.text()));
  budget.take(out.size());
  return Value(std::move(out), true);
}

Value add_lists(const Value& a, const Value& b, Budget& budget) {
  budget.take((a.list()->size() + b.list()->size()) * sizeof(Value));
  Items items = *a.list();
  items.insert(items.end(), b.list()->begin(), b.list()->end());
  return make_list(std::move(items), a.as<List>()->tuple);
}

}  // namespace

void fail_undefined(const Value& value) {
  const auto* undefined_value = value.as<Undefined>();
  throw Failure(undefined_value && undefined_value->why ? *undefined_value->why : "an undefined value was used");
}

std::string escape_html(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&#34;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  }
  return out;
}

Value arithmetic(std::string_view operation, const Value& a, const Value& b, Budget& budget) {
  if (a.is<Undefined>()) fail_undefined(a);
  if (operation == "%" && a.text()) return Value(percent_format(*a.text(), b, budget), a.as<Text>()->markup);
  if (b.is<Undefined>()) fail_undefined(b);
  std::int64_t x = 0;
  std::int64_t y = 0;
  const bool both_integers = as_integer(a, x) && as_integer(b, y);
  if (both_integers) return integer_arithmetic(operation, x, y);
  double p = 0;
  double q = 0;
  if (as_double(a, p) && as_double(b, q)) return float_arithmetic(operation, p, q);
  if (operation == "+" && a.text() && b.text()) return add_texts(a, b, budget);
  if (operation == "+" && a.list() && b.list() && a.as<List>()->tuple == b.as<List>()->tuple) {
    return add_lists(a, b, budget);
  }
  if (operation == "*" && (a.text() || a.list()) && as_integer(b, y)) return repeat(a, y, budget);
  if (operation == "*" && (b.text() || b.list()) && as_integer(a, x)) return repeat(b, x, budget);
  fail_types(operation, a, b);
}

Value unary(std::string_view sign, const Value& value) {
  if (value.is<Undefined>()) fail_undefined(value);
  std::int64_t storage = 0;
  if (const auto* i = as_integer(value, storage)) {
    std::int64_t result = *i;
    if (sign == "-") checked(__builtin_sub_overflow(std::int64_t{0}, *i, &result), 0);
    return result;
  }
  if (const auto* d = value.as<double>()) return sign == "-" ? -*d : *d;
  throw Failure("bad operand type for unary " + std::string(sign) + ": '" + type_name(value) + "'");
}

bool contains(const Value& container, const Value& item, Budget& budget) {
  if (const std::string* text = container.text()) {
    if (!item.text()) throw Failure("'in <string>' needs a string on its left, not " + type_name(item));
    budget.look(text->size() * 4);  // a search costs more than a comparison
    return find_text(*text, *item.text()) != std::string::npos;
  }
  if (const auto* dict = container.as<Dict>()) {
    if (item.text()) budget.look(item.text()->size() * 8);
    return (*dict)->find(item) != nullptr;
  }
  if (const Items* items = container.list()) {
    return std::any_of(items->begin(), items->end(), [&](const Value& one) { return equals(one, item, budget); });
  }
  if (container.is<Stream>() || container.is<Undefined>()) {
    const Items items = iterate(container, budget);
    return std::any_of(items.begin(), items.end(), [&](const Value& one) { return equals(one, item, budget); });
  }
  throw Failure("argument of type '" + type_name(container) + "' is not iterable");
}

bool compared(std::string_view operation, const Value& a, const Value& b, Budget& budget) {
  if (operation == "==") return equals(a, b, budget);
  if (operation == "!=") return !equals(a, b, budget);
  if (operation == "in") return contains(b, a, budget);
  if (operation == "not in") return !contains(b, a, budget);
  for (const Value* side : {&a, &b}) {  // nothing is ordered against NaN
    if (const auto* number = side->as<double>(); number && std::isnan(*number)) return false;
  }
  const int order = compare(a, b, operation, budget);
  if (operation == "<") return order < 0;
  if (operation == "<=") return order <= 0;
  return operation == ">" ? order > 0 : order >= 0;
}

}  // namespace grpo::jinja
