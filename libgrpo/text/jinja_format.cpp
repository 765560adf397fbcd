// Python's text % values: %s %r %c %d %i %u %x %X %o %f %e %g %%, with flags, width, precision and names.
#include "libgrpo/text/jinja_builtins.hpp"
#include "libgrpo/text/jinja_operators.hpp"
#include "libgrpo/text/jinja_unicode.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace grpo::jinja {
namespace {

struct Directive {
  bool left = false, zero = false, plus = false, blank = false;
  std::size_t width = 0;
  int precision = -1;
  char letter = 's';
};

std::string padded(std::string text, const Directive& d, bool numeric) {
  const auto size = static_cast<std::size_t>(code_points(text));
  if (size >= d.width) return text;
  const std::string fill(d.width - size, d.zero && numeric && !d.left ? '0' : ' ');
  if (d.left) return text + fill;
  const bool sign = fill[0] == '0' && !text.empty() && (text[0] == '-' || text[0] == '+' || text[0] == ' ');
  return sign ? text[0] + fill + text.substr(1) : fill + text;
}

double number_of(const Value& value) {
  if (const auto* d = value.as<double>()) return *d;
  if (const auto* i = value.as<std::int64_t>()) return static_cast<double>(*i);
  if (const auto* b = value.as<bool>()) return *b ? 1.0 : 0.0;
  throw Failure("% needs a number, got " + type_name(value));
}

std::string signed_text(std::string text, const Directive& d) {
  if (text[0] != '-' && (d.plus || d.blank)) text.insert(0, d.plus ? "+" : " ");
  return text;
}

/// A code point, or a text of one.
std::string character(const Value& value) {
  if (value.text() && code_points(*value.text()) == 1) return *value.text();
  const auto* code = value.as<std::int64_t>();
  const auto* flag = value.as<bool>();
  const std::int64_t c = code ? *code : flag ? (*flag ? 1 : 0) : -1;
  if (c < 0 || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF)) throw Failure("%c needs a character");
  std::string out;
  append_utf8(out, static_cast<char32_t>(c));
  return out;
}

std::string print(const Directive& d, const Value& value, Budget& budget) {
  if (d.letter == 's' || d.letter == 'r') {
    std::string text = d.letter == 's' ? to_str(value, budget) : to_repr(value, budget);
    if (d.precision >= 0 && code_points(text) > d.precision) {
      text.resize(code_point_offsets(text)[static_cast<std::size_t>(d.precision)]);
    }
    return padded(std::move(text), d, false);
  }
  if (value.is<Undefined>()) fail_undefined(value);
  if (d.letter == 'c') return padded(character(value), d, false);
  const double number = number_of(value);
  const bool digits = d.letter == 'x' || d.letter == 'X' || d.letter == 'o';
  if (d.letter == 'd' || d.letter == 'i' || d.letter == 'u' || digits) {
    const auto* whole = value.as<std::int64_t>();
    if (d.precision >= 0 || !(std::fabs(number) < 9.2e18 || whole)) throw Failure("% cannot print this number as an integer");
    if (digits && value.is<double>()) throw Failure("%x, %X and %o need an integer");
    const std::int64_t integer = whole ? *whole : static_cast<std::int64_t>(number);
    if (digits) {
      const char* const format = d.letter == 'x' ? "%s%llx" : d.letter == 'X' ? "%s%llX" : "%s%llo";
      const auto size = integer < 0 ? 0 - static_cast<unsigned long long>(integer) : static_cast<unsigned long long>(integer);
      std::array<char, 32> buffer{};
      std::snprintf(buffer.data(), buffer.size(), format, integer < 0 ? "-" : "", size);
      return padded(signed_text(buffer.data(), d), d, true);
    }
    return padded(signed_text(std::to_string(integer), d), d, true);
  }
  const std::string format = std::string("%.*") + d.letter;
  std::array<char, 512> buffer{};
  const int precision = d.precision < 0 ? 6 : d.precision;
  if (precision > 100) throw Failure("% precision is above the limit");
  if (d.letter == 'f') {
    std::snprintf(buffer.data(), buffer.size(), "%.*f", precision, number);
  } else if (d.letter == 'e') {
    std::snprintf(buffer.data(), buffer.size(), "%.*e", precision, number);
  } else {
    std::snprintf(buffer.data(), buffer.size(), "%.*g", precision, number);
  }
  return padded(signed_text(buffer.data(), d), d, true);
}

}  // namespace

std::string percent_format(std::string_view format, const Value& values, Budget& budget) {
  const bool tuple = values.list() && values.as<List>()->tuple;
  const auto* dict = values.as<Dict>();
  std::size_t used = 0;
  bool named = false;
  const auto next = [&]() -> Value {
    if (tuple) {
      if (used >= values.list()->size()) throw Failure("not enough arguments for the format string");
      return (*values.list())[used++];
    }
    if (used++ > 0) throw Failure("not enough arguments for the format string");
    return values;
  };
  std::string out;
  const auto put = [&](std::string_view text) {
    budget.take(text.size());
    if (out.size() + text.size() > kMaxValueBytes) throw Failure("the formatted text is above the limit");
    out += text;
  };
  for (std::size_t i = 0; i < format.size(); ++i) {
    const std::size_t percent = std::min(format.find('%', i), format.size());
    put(format.substr(i, percent - i));
    i = percent + 1;
    if (percent >= format.size()) break;
    const auto peek = [&] { return i < format.size() ? format[i] : '\0'; };
    if (peek() == '%') {
      put("%");
      continue;
    }
    Directive d;
    Value value;
    bool has_value = false;
    if (peek() == '(') {
      const std::size_t close = format.find(')', i);
      if (!dict || close == format.npos) throw Failure("format requires a mapping");
      const Value* found = (*dict)->find(format.substr(i + 1, close - i - 1));
      if (!found) throw Failure("format names a missing key");
      value = *found;
      has_value = named = true;
      i = close + 1;
    }
    for (; std::string_view("-0+ #").find(peek()) != std::string_view::npos && peek(); ++i) {
      d.left |= peek() == '-';
      d.zero |= peek() == '0';
      d.plus |= peek() == '+';
      d.blank |= peek() == ' ';
    }
    for (; peek() >= '0' && peek() <= '9'; ++i) {
      d.width = d.width * 10 + static_cast<std::size_t>(peek() - '0');
      if (d.width > kMaxValueBytes / 4) throw Failure("a format width is above the limit");
    }
    if (peek() == '.') {
      d.precision = 0;
      for (++i; peek() >= '0' && peek() <= '9'; ++i) d.precision = std::min(d.precision * 10 + (peek() - '0'), 100'000'000);
    }
    d.letter = peek();
    if (std::string_view("srcdiuxXofeg").find(d.letter) == std::string_view::npos || !d.letter) {
      throw Failure("unsupported format character in '" + std::string(format.substr(percent, i - percent + 1)) + "'");
    }
    budget.take(d.width);
    put(print(d, has_value ? value : next(), budget));
  }
  const bool whole = tuple ? used == values.list()->size() : used > 0 || named || dict || values.list() || values.is<Undefined>();
  if (!whole) throw Failure("not all arguments were used by the format string");
  return out;
}

}  // namespace grpo::jinja
