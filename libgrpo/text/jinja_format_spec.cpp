#include "libgrpo/text/jinja_format_spec.hpp"

#include "libgrpo/text/jinja_operators.hpp"
#include "libgrpo/text/jinja_unicode.hpp"

#include <array>
#include <cmath>
#include <cstdio>

namespace grpo::jinja {
namespace {

constexpr std::int64_t kMaxWidth = static_cast<std::int64_t>(kMaxValueBytes) / 4;
constexpr std::int64_t kMaxPrecision = 100;

struct Spec {
  std::string fill = " ";
  char align = 0;
  char sign = '-';
  bool alternate = false;
  std::int64_t width = 0;
  char grouping = 0;
  std::int64_t precision = -1;
  char type = 0;
};

std::int64_t number_at(std::string_view& text, std::int64_t limit) {
  std::int64_t number = 0;
  for (; !text.empty() && text[0] >= '0' && text[0] <= '9'; text.remove_prefix(1)) {
    number = number * 10 + (text[0] - '0');
    if (number > limit) throw Failure("a format width or precision is above the limit");
  }
  return number;
}

Spec parse_spec(std::string_view text, bool is_text) {
  Spec spec;
  const auto is_align = [](char c) { return c == '<' || c == '>' || c == '=' || c == '^'; };
  std::size_t fill_end = 0;
  if (!text.empty()) decode_utf8(text, fill_end);
  if (fill_end < text.size() && is_align(text[fill_end])) {
    spec.fill = text.substr(0, fill_end);
    spec.align = text[fill_end];
    text.remove_prefix(fill_end + 1);
  } else if (!text.empty() && is_align(text[0])) {
    spec.align = text[0];
    text.remove_prefix(1);
  }
  const auto skip = [&](std::string_view letters) {
    if (text.empty() || letters.find(text[0]) == letters.npos) return char{0};
    const char c = text[0];
    text.remove_prefix(1);
    return c;
  };
  const char sign = skip("+- ");
  if (sign) spec.sign = sign;
  spec.alternate = skip("#") != 0;
  if (skip("0") && !spec.align) {
    spec.fill = "0";
    if (!is_text) spec.align = '=';
  }
  spec.width = number_at(text, kMaxWidth);
  spec.grouping = skip(",_");
  if (skip(".")) {
    if (text.empty() || text[0] < '0' || text[0] > '9') throw Failure("format: the precision is missing");
    spec.precision = number_at(text, is_text ? kMaxWidth : kMaxPrecision);
  }
  if (!text.empty()) spec.type = skip("bdeEfFgGosxX%");
  if (!text.empty() || spec.alternate) throw Failure("format: unsupported specification");
  if (is_text && (sign || spec.align == '=' || spec.grouping || (spec.type && spec.type != 's'))) {
    throw Failure("format: this specification is not for text");
  }
  return spec;
}

std::string repeated(const std::string& fill, std::int64_t count) {
  std::string out;
  for (std::int64_t i = 0; i < count; ++i) out += fill;
  return out;
}

std::string aligned(const Spec& spec, const std::string& sign, const std::string& body, char preset) {
  const std::int64_t missing = spec.width - code_points(sign) - code_points(body);
  if (missing <= 0) return sign + body;
  const char align = spec.align ? spec.align : preset;
  if (align == '=') return sign + repeated(spec.fill, missing) + body;
  const std::int64_t left = align == '<' ? 0 : align == '>' ? missing : missing / 2;
  return repeated(spec.fill, left) + sign + body + repeated(spec.fill, missing - left);
}

/// Separators between groups of three digits; with zeros in front the groups go on to the left up to the width.
std::string grouped(const Spec& spec, std::string digits, std::int64_t taken) {
  if (!spec.grouping) return digits;
  const std::size_t whole = std::min(digits.find_first_not_of("0123456789abcdefABCDEF"), digits.size());
  std::string tail = digits.substr(whole);
  digits.resize(whole);
  const std::size_t group = spec.type == 'x' || spec.type == 'X' || spec.type == 'b' || spec.type == 'o' ? 4 : 3;
  const auto with_separators = [&](const std::string& text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (i > 0 && (text.size() - i) % group == 0) out += spec.grouping;
      out += text[i];
    }
    return out;
  };
  std::string out = with_separators(digits);
  while (spec.align == '=' && spec.fill == "0" && static_cast<std::int64_t>(out.size() + tail.size()) + taken < spec.width) {
    if (spec.width > 1000) throw Failure("a format width is above the limit");
    digits.insert(0, "0");
    out = with_separators(digits);
  }
  return out + tail;
}

std::string finished(const Spec& spec, bool negative, std::string digits) {
  const std::string sign = negative ? "-" : spec.sign == '-' ? "" : std::string(1, spec.sign);
  return aligned(spec, sign, grouped(spec, std::move(digits), static_cast<std::int64_t>(sign.size())), '>');
}

std::string in_base(std::uint64_t value, unsigned bits, bool upper) {
  const char* const digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
  std::string out;
  do {
    out.insert(out.begin(), digits[value & ((1U << bits) - 1U)]);
    value >>= bits;
  } while (value > 0);
  return out;
}

std::string print_with(const char* format, std::int64_t precision, double value) {
  std::array<char, 512> buffer{};
  const int size = std::snprintf(buffer.data(), buffer.size(), format, static_cast<int>(precision), value);
  return {buffer.data(), std::min(static_cast<std::size_t>(std::max(size, 0)), buffer.size() - 1)};
}

/// Without a type: as repr, or with a precision as %g that keeps ".0" and turns to an exponent one digit earlier.
std::string general(double value, std::int64_t precision) {
  if (precision < 0) return float_repr(value);
  if (!std::isfinite(value)) return std::isnan(value) ? "nan" : "inf";
  precision = std::max<std::int64_t>(precision, 1);
  const std::string scientific = print_with("%.*e", precision - 1, value);
  const int exponent = std::atoi(scientific.c_str() + scientific.find('e') + 1);
  std::string mantissa = scientific.substr(0, scientific.find('e'));
  const auto trim_zeros = [](std::string text) {
    if (text.find('.') == text.npos) return text;
    text.resize(text.find_last_not_of('0') + 1);
    if (text.back() == '.') text.pop_back();
    return text;
  };
  if (exponent < -4 || exponent + 1 > precision - 1) {
    return trim_zeros(std::move(mantissa)) + scientific.substr(scientific.find('e'));
  }
  std::string fixed = trim_zeros(print_with("%.*f", std::max<std::int64_t>(precision - 1 - exponent, 0), value));
  return fixed.find('.') == fixed.npos ? fixed + ".0" : fixed;
}

std::string format_float(double value, const Spec& spec) {
  const double size = std::fabs(value);
  const std::int64_t precision = spec.precision < 0 ? 6 : spec.precision;
  std::string digits;
  switch (spec.type) {
    case 0: digits = general(size, spec.precision); break;
    case 'e': digits = print_with("%.*e", precision, size); break;
    case 'E': digits = print_with("%.*E", precision, size); break;
    case 'f':
    case 'F': digits = print_with("%.*f", precision, size); break;
    case 'g': digits = print_with("%.*g", precision, size); break;
    case 'G': digits = print_with("%.*G", precision, size); break;
    case '%': digits = print_with("%.*f", precision, size * 100) + "%"; break;
    default: throw Failure("format: this type is not for floats");
  }
  return finished(spec, std::signbit(value) && !std::isnan(value), std::move(digits));
}

std::string format_integer(std::int64_t value, const Spec& spec) {
  if (std::string_view("eEfFgG%").find(spec.type) != std::string_view::npos && spec.type) {
    return format_float(static_cast<double>(value), spec);
  }
  if (spec.precision >= 0 || spec.type == 's') throw Failure("format: this specification is not for integers");
  const std::uint64_t size = value < 0 ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
  if (spec.grouping == ',' && spec.type && spec.type != 'd') throw Failure("format: no ',' with this type");
  std::string digits = spec.type == 'x'   ? in_base(size, 4, false)
                       : spec.type == 'X' ? in_base(size, 4, true)
                       : spec.type == 'o' ? in_base(size, 3, false)
                       : spec.type == 'b' ? in_base(size, 1, false)
                                          : std::to_string(size);
  return finished(spec, value < 0, std::move(digits));
}

}  // namespace

std::string format_value(const Value& value, std::string_view spec, Budget& budget) {
  if (spec.empty()) return to_str(value, budget);
  const std::string* text = value.text();
  const Spec parsed = parse_spec(spec, text != nullptr);
  budget.take(static_cast<std::size_t>(parsed.width) * parsed.fill.size());
  if (text) {
    std::string body = *text;
    if (parsed.precision >= 0 && code_points(body) > parsed.precision) {
      body.resize(code_point_offsets(body)[static_cast<std::size_t>(parsed.precision)]);
    }
    return aligned(parsed, "", body, '<');
  }
  if (const auto* d = value.as<double>()) return format_float(*d, parsed);
  if (const auto* i = value.as<std::int64_t>()) return format_integer(*i, parsed);
  if (const auto* b = value.as<bool>()) return format_integer(*b ? 1 : 0, parsed);
  throw Failure("format: a value of type " + type_name(value) + " takes no specification");
}

}  // namespace grpo::jinja
