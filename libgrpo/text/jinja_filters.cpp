// Filters on single values. Filters on sequences are in jinja_filters_sequence.cpp.
#include "libgrpo/text/jinja_builtins.hpp"
#include "libgrpo/text/jinja_operators.hpp"
#include "libgrpo/text/jinja_unicode.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>

namespace grpo::jinja {

namespace {

struct Call {
  const Value& input;
  const Arguments& arguments;
  Budget& budget;

  [[nodiscard]] std::string text() const {
    std::string out = to_str(input, budget);
    budget.take(out.size());
    return out;
  }
  [[nodiscard]] bool markup() const { return input.is<Text>() && input.as<Text>()->markup; }
};

Value like(const Call& call, std::string text) { return Value(std::move(text), call.markup()); }

Value trim_filter(const Call& call) {
  const Bound bound("trim", call.arguments, {"chars"});
  const std::string text = call.text();
  if (!bound.some(0)) return like(call, std::string(strip(text, true, true)));
  const std::string_view chars = bound.text(0);
  return like(call, std::string(strip(text, true, true, &chars)));
}

/// Words begin at the start and behind whitespace, - ( { [ <.
Value title_filter(const Call& call) {
  const std::string text = call.text();
  std::string out;
  std::string word;
  const auto flush = [&] {
    std::size_t rest = 0;
    if (!word.empty()) decode_utf8(word, rest);
    out += to_upper(std::string_view(word).substr(0, rest)) + to_lower(std::string_view(word).substr(rest));
    word.clear();
  };
  for (std::size_t at = 0; at < text.size();) {
    const char32_t c = decode_utf8(text, at);
    if (is_space(c) || c == '-' || c == '(' || c == '{' || c == '[' || c == '<') {
      flush();
      append_utf8(out, c);
    } else {
      append_utf8(word, c);
    }
  }
  flush();
  return Value(std::move(out));
}

Value default_filter(const Call& call) {
  const Bound bound("default", call.arguments, {"default_value", "boolean"});
  const bool use = call.input.is<Undefined>() || (bound.flag(1) && !truth(call.input));
  if (!use) return call.input;
  return bound.has(0) ? bound[0] : Value("");
}

Value replace_filter(const Call& call) {
  const Bound bound("replace", call.arguments, {"old", "new", "count"}, 2);
  Arguments arguments;
  arguments.positional = {Value(to_str(bound[0], call.budget)), Value(to_str(bound[1], call.budget)),
                          Value(bound.some(2) ? bound.integer(2, -1) : std::int64_t{-1})};
  return call_text_method(Value(call.text()), "replace", arguments, call.budget);
}

Value indent_filter(const Call& call) {
  const Bound bound("indent", call.arguments, {"width", "first", "blank"});
  const bool has_text = bound.has(0) && bound[0].text();
  const std::int64_t width = has_text ? 0 : std::clamp<std::int64_t>(bound.integer(0, 4), 0, 10'000);
  const std::string indentation = has_text ? bound.text(0) : std::string(static_cast<std::size_t>(width), ' ');
  if (!call.input.text()) throw Failure("indent needs a string, got " + type_name(call.input));
  const std::string text = call.text() + "\n";
  const bool blank = bound.flag(2);
  std::string out = bound.flag(1) ? indentation : "";
  bool first = true;
  for (const std::string_view line : split_lines(text)) {
    if (!first) out += '\n';
    if (!first && (blank || !line.empty())) out += indentation;
    out += line;
    first = false;
    if (out.size() > kMaxValueBytes) break;
  }
  call.budget.take(out.size());
  return like(call, std::move(out));
}

Value int_filter(const Call& call) {
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

Value float_filter(const Call& call) {
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

Value round_filter(const Call& call) {
  const Bound bound("round", call.arguments, {"precision", "method"});
  const std::int64_t precision = bound.integer(0, 0);
  const std::string method = bound.has(1) ? bound.text(1) : "common";
  if (method != "common" && method != "ceil" && method != "floor")
    throw Failure("round: method must be common, ceil or floor");
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

Value abs_filter(const Call& call) {
  if (call.input.is<Undefined>()) fail_undefined(call.input);
  if (const auto* d = call.input.as<double>()) return std::fabs(*d);
  if (const auto* i = call.input.as<std::int64_t>()) return *i < 0 ? unary("-", call.input) : call.input;
  if (const auto* b = call.input.as<bool>()) return std::int64_t{*b};
  throw Failure("abs needs a number, got " + type_name(call.input));
}

Value escape_filter(const Call& call) {
  if (call.markup()) return call.input;
  std::string out = escape_html(call.text());
  call.budget.take(out.size());
  return Value(std::move(out), true);
}

Value format_filter(const Call& call) {
  if (!call.arguments.named.empty() && !call.arguments.positional.empty()) {
    throw Failure("format takes positional or named arguments, not both");
  }
  if (!call.arguments.named.empty()) {
    Arguments named{{}, call.arguments.named};
    return like(call, percent_format(call.text(), make_dict(build_dict(named, call.budget)), call.budget));
  }
  return like(call, percent_format(call.text(), make_list(call.arguments.positional, true), call.budget));
}

Value string_filter(const Call& call) { return call.input.is<Text>() ? call.input : Value(call.text()); }

Value attr_filter(const Call& call) {
  const Bound bound("attr", call.arguments, {"name"}, 1);
  if (call.input.is<Dict>() && !is_method(call.input, bound.text(0))) return undefined("no attribute " + bound.text(0));
  return get_attribute(call.input, bound.text(0), call.budget);
}

Value wordcount_filter(const Call& call) {
  const std::string text = call.text();
  std::int64_t words = 0;
  bool inside = false;
  for (std::size_t at = 0; at < text.size();) {
    const char32_t c = decode_utf8(text, at);
    const bool is_word = is_alphabetic(c) || (c >= '0' && c <= '9') || c == '_';
    words += is_word && !inside;
    inside = is_word;
  }
  return words;
}

using Filter = Value (*)(const Call&);

const std::map<std::string_view, Filter>& filters() {
  static const std::map<std::string_view, Filter> table = {
      {"abs", abs_filter},
      {"attr", attr_filter},
      {"capitalize", [](const Call& call) { return like(call, capitalize(call.text())); }},
      {"count", [](const Call& call) { return Value(length(call.input)); }},
      {"d", default_filter},
      {"default", default_filter},
      {"e", escape_filter},
      {"escape", escape_filter},
      {"float", float_filter},
      {"forceescape", [](const Call& call) { return Value(escape_html(call.text()), true); }},
      {"format", format_filter},
      {"indent", indent_filter},
      {"int", int_filter},
      {"length", [](const Call& call) { return Value(length(call.input)); }},
      {"lower", [](const Call& call) { return like(call, to_lower(call.text())); }},
      {"replace", replace_filter},
      {"round", round_filter},
      {"safe", [](const Call& call) { return Value(call.text(), true); }},
      {"string", string_filter},
      {"title", title_filter},
      {"tojson",
       [](const Call& call) {
         const Bound bound("tojson", call.arguments, {"ensure_ascii", "indent", "separators", "sort_keys"});
         return Value(to_json(call.input, bound, call.budget));
       }},
      {"trim", trim_filter},
      {"upper", [](const Call& call) { return like(call, to_upper(call.text())); }},
      {"wordcount", wordcount_filter},
  };
  return table;
}

}  // namespace

bool is_filter(std::string_view name) { return filters().count(name) > 0 || is_sequence_filter(name); }

Value apply_filter(std::string_view name, const Value& input, const Arguments& arguments, Budget& budget) {
  budget.step();
  if (const auto hit = filters().find(name); hit != filters().end()) return hit->second(Call{input, arguments, budget});
  if (auto result = apply_sequence_filter(name, input, arguments, budget)) return std::move(*result);
  throw Failure("unknown or unsupported filter '" + std::string(name) + "'");
}

}  // namespace grpo::jinja
