// Filters on numbers and on anything. Their kin: jinja_filters_text, _sequence and _order.
#include "libgrpo/text/jinja_filters.hpp"
#include "libgrpo/text/jinja_operators.hpp"
#include "libgrpo/text/jinja_unicode.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <array>

namespace grpo::jinja {

namespace {

Value default_filter(const FilterCall& call) {
  const Bound bound("default", call.arguments, {"default_value", "boolean"});
  const bool use = call.input.is<Undefined>() || (bound.flag(1) && !truth(call.input));
  if (!use) return call.input;
  return bound.has(0) ? bound[0] : Value("");
}

Value int_filter(const FilterCall& call) {
  const Bound bound("int", call.arguments, {"default", "base"});
  const auto truncated = [](double value) -> std::optional<std::int64_t> {
    if (!(std::fabs(value) < 9.2e18)) return std::nullopt;
    return static_cast<std::int64_t>(value);
  };
  if (call.input.is<Undefined>()) fail_undefined(call.input);
  if (const auto* i = call.input.as<std::int64_t>()) return *i;
  if (const auto* b = call.input.as<bool>()) return std::int64_t{*b};
  std::optional<std::int64_t> result;
  if (const std::string* text = call.input.text()) {
    result = parse_integer(*text, static_cast<int>(std::clamp<std::int64_t>(bound.integer(1, 10), -1, 99)));
    if (!result) {
      if (const auto number = parse_float(*text)) result = truncated(*number);
    }
  } else if (const auto* d = call.input.as<double>()) {
    if (std::isinf(*d) || std::fabs(*d) >= 9.2e18) throw Failure("a float is too large for an integer");
    result = truncated(*d);
  }
  if (result) return *result;
  return bound.has(0) ? bound[0] : Value(std::int64_t{0});
}

Value float_filter(const FilterCall& call) {
  const Bound bound("float", call.arguments, {"default"});
  if (call.input.is<Undefined>()) fail_undefined(call.input);
  if (const auto* d = call.input.as<double>()) return *d;
  if (const auto* i = call.input.as<std::int64_t>()) return static_cast<double>(*i);
  if (const auto* b = call.input.as<bool>()) return *b ? 1.0 : 0.0;
  if (const std::string* text = call.input.text()) {
    if (const auto number = parse_float(*text)) return *number;
  }
  return bound.has(0) ? bound[0] : Value(0.0);
}

/// Half to even in decimal, as Python; printf is exact.
double round_to(double value, std::int64_t precision) {
  if (!std::isfinite(value) || precision > 308) return value;
  if (precision < -308) return 0.0 * value;
  if (precision < 0) {
    const double power = std::pow(10.0, static_cast<double>(-precision));
    return std::nearbyint(value / power) * power;
  }
  char buffer[700];
  std::snprintf(buffer, sizeof buffer, "%.*f", static_cast<int>(precision), value);
  return std::strtod(buffer, nullptr);
}

Value round_filter(const FilterCall& call) {
  const Bound bound("round", call.arguments, {"precision", "method"});
  const std::int64_t precision = bound.integer(0, 0);
  const std::string method = bound.has(1) ? bound.text(1) : "common";
  if (method != "common" && method != "ceil" && method != "floor") throw Failure("round: method must be common, ceil or floor");
  if (call.input.is<Undefined>()) fail_undefined(call.input);
  double number = 0;
  const auto* i = call.input.as<std::int64_t>();
  const auto* b = call.input.as<bool>();
  if (const auto* d = call.input.as<double>()) {
    number = *d;
  } else if (i || b) {
    const std::int64_t whole = i ? *i : *b ? 1 : 0;
    if (method == "common" && precision >= 0) return whole;
    number = static_cast<double>(whole);
    if (method == "common") return static_cast<std::int64_t>(round_to(number, precision));
  } else {
    throw Failure("round needs a number, got " + type_name(call.input));
  }
  if (method == "common") return round_to(number, precision);
  const double power = std::pow(10.0, static_cast<double>(std::clamp<std::int64_t>(precision, -300, 300)));
  return (method == "ceil" ? std::ceil(number * power) : std::floor(number * power)) / power;
}

Value abs_filter(const FilterCall& call) {
  if (call.input.is<Undefined>()) fail_undefined(call.input);
  if (const auto* d = call.input.as<double>()) return std::fabs(*d);
  if (const auto* i = call.input.as<std::int64_t>()) return *i < 0 ? unary("-", call.input) : call.input;
  if (const auto* b = call.input.as<bool>()) return std::int64_t{*b};
  throw Failure("abs needs a number, got " + type_name(call.input));
}

Value string_filter(const FilterCall& call) { return call.input.is<Text>() ? call.input : Value(call.text()); }

Value attr_filter(const FilterCall& call) {
  const Bound bound("attr", call.arguments, {"name"}, 1);
  if (call.input.is<Dict>() && !is_method(call.input, bound.text(0))) return undefined("no attribute " + bound.text(0));
  return get_attribute(call.input, bound.text(0), call.budget);
}

}  // namespace

const FilterTable& value_filters() {
  static const FilterTable table = {
      {"abs", abs_filter},
      {"attr", attr_filter},
      {"count", [](const FilterCall& call) { return Value(length(call.input)); }},
      {"d", default_filter},
      {"default", default_filter},
      {"float", float_filter},
      {"int", int_filter},
      {"length", [](const FilterCall& call) { return Value(length(call.input)); }},
      {"round", round_filter},
      {"string", string_filter},
      {"tojson",
       [](const FilterCall& call) {
         const Bound bound("tojson", call.arguments, {"ensure_ascii", "indent", "separators", "sort_keys"});
         return Value(to_json(call.input, bound, call.budget));
       }},
  };
  return table;
}

namespace {

auto find_filter(std::string_view name) -> Value (*)(const FilterCall&) {
  for (const FilterTable* table : std::array{&value_filters(), &text_filters(), &sequence_filters(), &order_filters()}) {
    if (const auto hit = table->find(name); hit != table->end()) return hit->second;
  }
  return nullptr;
}

}  // namespace

std::string FilterCall::text() const {
  std::string out = to_str(input, budget);
  budget.take(out.size());
  return out;
}

bool is_filter(std::string_view name) { return find_filter(name) != nullptr; }

Value apply_filter(std::string_view name, const Value& input, const Arguments& arguments, Budget& budget) {
  budget.step();
  if (const auto filter = find_filter(name)) return filter(FilterCall{name, input, arguments, budget});
  throw Failure("unknown or unsupported filter '" + std::string(name) + "'");
}

}  // namespace grpo::jinja
