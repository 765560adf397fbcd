#include "libgrpo/text/jinja_operators.hpp"

#include "libgrpo/text/jinja_builtins.hpp"
#include "libgrpo/text/jinja_loop.hpp"
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
  throw Failure("unsupported operand types for " + std::string(operation) + ": '" + type_name(a) + "' and '" +
                type_name(b) + "'");
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
    throw Failure("repeating " + std::to_string(size) + " bytes " + std::to_string(count) +
                  " times is above the limit");
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
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&#34;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
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
    budget.look(text->size());
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

namespace {

Value missing(const Value& value, const Value& key, Budget& budget) {
  const bool by_name = key.text() != nullptr;
  return undefined("'" + type_name(value) + "' object has no " + (by_name ? "attribute " : "element ") +
                   to_repr(key, budget).substr(0, 100));
}

/// A method, or undefined with the reason if the sandbox forbids it; false if there is no such attribute.
bool find_method(const Value& value, std::string_view name, Value& result) {
  if (name.substr(0, 2) == "__" || is_changing_method(value, name)) {
    result =
        undefined("access to attribute '" + std::string(name) + "' of '" + type_name(value) + "' object is unsafe");
    return true;
  }
  if (!is_method(value, name)) return false;
  auto function = std::make_shared<FunctionData>();
  function->kind = FunctionData::Kind::method;
  function->name = name;
  function->self = value;
  static_cast<void>(depth_of(Value(Function(function))));
  result = Value(Function(std::move(function)));
  return true;
}

}  // namespace

Value get_attribute(const Value& value, std::string_view name, Budget& budget) {
  if (value.is<Undefined>()) fail_undefined(value);
  Value result;
  if (const auto* loop = value.as<Loop>(); loop && loop_attribute(**loop, name, result)) return result;
  if (const auto* space = value.as<Namespace>()) {
    const Value* found = (*space)->attributes.find(name);
    return found ? *found : missing(value, Value(name), budget);
  }
  if (find_method(value, name, result)) return result;
  if (const auto* dict = value.as<Dict>()) {
    if (const Value* found = (*dict)->find(name)) return *found;
  }
  return missing(value, Value(name), budget);
}

Value get_item(const Value& value, const Value& key, Budget& budget) {
  if (value.is<Undefined>()) fail_undefined(value);
  if (const auto* dict = value.as<Dict>()) {
    if (key.text()) budget.look(key.text()->size() * 8);
    if (!key.is<List>() || key.as<List>()->tuple) {
      if (!key.is<Dict>()) {
        if (const Value* found = (*dict)->find(key)) return *found;
      }
    }
  }
  std::int64_t storage = 0;
  const std::int64_t* index = as_integer(key, storage);
  const auto* stream = value.as<Stream>();
  const bool is_range = stream && (*stream)->kind == StreamData::Kind::range;
  if (index && (value.text() || value.list() || is_range)) {
    const std::int64_t size = length(value);
    const std::int64_t at = *index < 0 ? *index + size : *index;
    if (at < 0 || at >= size) return missing(value, key, budget);
    const auto position = static_cast<std::size_t>(at);
    if (const Items* items = value.list()) return (*items)[position];
    if (is_range) return (*stream)->items[position];
    return get_slice(value, Value(at), Value(at + 1), Value(None{}), budget);
  }
  if (const std::string* name = key.text()) {
    if (value.is<Dict>()) {
      Value result;
      return find_method(value, *name, result) ? result : missing(value, key, budget);
    }
    return get_attribute(value, *name, budget);
  }
  return missing(value, key, budget);
}

Value get_slice(const Value& value, const Value& start, const Value& stop, const Value& step, Budget& budget) {
  if (value.is<Undefined>()) fail_undefined(value);
  const auto* stream = value.as<Stream>();
  const bool is_range = stream && (*stream)->kind == StreamData::Kind::range;
  if (!value.text() && !value.list() && !is_range) return undefined("'" + type_name(value) + "' object has no slices");
  const auto part = [](const Value& given, std::int64_t preset) {
    std::int64_t storage = 0;
    if (given.is<None>()) return preset;
    if (const auto* i = as_integer(given, storage)) return *i;
    throw Failure("slice indices must be integers or None, not " + type_name(given));
  };
  const std::int64_t size = length(value);
  const std::int64_t stride = part(step, 1);
  if (stride == 0) throw Failure("slice step cannot be zero");
  const std::int64_t lowest = stride > 0 ? 0 : -1;
  const std::int64_t highest = stride > 0 ? size : size - 1;
  const auto bound = [&](const Value& given, std::int64_t preset) {
    std::int64_t at = part(given, preset);
    if (given.is<None>()) return preset;
    if (at < 0) at += size;
    return std::clamp(at, lowest, highest);
  };
  const std::int64_t first = bound(start, stride > 0 ? 0 : size - 1);
  const std::int64_t last = bound(stop, stride > 0 ? size : -1);
  std::vector<std::size_t> picked;
  for (std::int64_t i = first; stride > 0 ? i < last : i > last;) {
    picked.push_back(static_cast<std::size_t>(i));
    if (__builtin_add_overflow(i, stride, &i)) break;
  }
  if (const std::string* text = value.text()) {
    budget.take(text->size());
    std::string out;
    if (is_ascii(*text)) {
      for (const std::size_t i : picked) out += (*text)[i];
    } else {
      const std::vector<std::size_t> offsets = code_point_offsets(*text);
      for (const std::size_t i : picked) out.append(*text, offsets[i], offsets[i + 1] - offsets[i]);
    }
    return Value(std::move(out), value.as<Text>()->markup);
  }
  budget.take(picked.size() * sizeof(Value));
  const Items& source = is_range ? (*stream)->items : *value.list();
  Items items;
  for (const std::size_t i : picked) items.push_back(source[i]);
  if (is_range) return make_stream(std::move(items), StreamData::Kind::range, "range(...)");
  return make_list(std::move(items), value.as<List>()->tuple);
}

}  // namespace grpo::jinja
