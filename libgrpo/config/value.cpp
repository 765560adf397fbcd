#include "libgrpo/config/value.hpp"

#include "libgrpo/base/utf8.hpp"

#include <array>
#include <charconv>
#include <cmath>

namespace grpo {
namespace {

std::string hex2(unsigned char byte) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  return {kDigits[byte >> 4U], kDigits[byte & 15U]};
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20U || c == 0x7F; }

void show_into(const Value& value, std::size_t limit, std::string& out) {
  switch (value.kind) {
    case Value::Kind::null: out += "null"; break;
    case Value::Kind::boolean: out += value.boolean ? "true" : "false"; break;
    case Value::Kind::integer: out += std::to_string(value.integer); break;
    case Value::Kind::floating: out += show_number(value.floating); break;
    case Value::Kind::string: out += '"' + show_text(value.string, limit) + '"'; break;
    case Value::Kind::text:
    case Value::Kind::other: out += show_text(value.string, limit); break;
    case Value::Kind::list:
      out += '[';
      for (std::size_t i = 0; i < value.items.size() && out.size() <= limit; ++i) {
        if (i > 0) out += ", ";
        show_into(value.items[i], limit, out);
      }
      out += ']';
      break;
    case Value::Kind::table:
      out += '{';
      for (std::size_t i = 0; i < value.keys.size() && out.size() <= limit; ++i) {
        if (i > 0) out += ", ";
        out += show_text(value.keys[i].first, limit) + " = ";
        show_into(value.keys[i].second, limit, out);
      }
      out += '}';
      break;
  }
}

}  // namespace

Value Value::of_boolean(bool value) {
  Value result;
  result.kind = Kind::boolean;
  result.boolean = value;
  return result;
}

Value Value::of_integer(std::int64_t value) {
  Value result;
  result.kind = Kind::integer;
  result.integer = value;
  return result;
}

Value Value::of_floating(double value) {
  Value result;
  result.kind = Kind::floating;
  result.floating = value;
  return result;
}

Value Value::of_string(std::string value) {
  Value result;
  result.kind = Kind::string;
  result.string = std::move(value);
  return result;
}

Value Value::of_text(std::string value) {
  Value result;
  result.kind = Kind::text;
  result.string = std::move(value);
  return result;
}

std::string show_text(std::string_view text, std::size_t limit) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    if (out.size() >= limit) return out + "...";
    const Utf8Step step = utf8_step(text, at);
    if (text[at] == '\n') {
      out += "\\n";
    } else if (!step.valid || is_control(text[at])) {
      out += "\\x" + hex2(static_cast<unsigned char>(text[at]));
    } else {
      out += text.substr(at, step.length);
    }
    at += step.valid ? step.length : 1;
  }
  return out;
}

std::string show(const Value& value, std::size_t limit) {
  std::string out;
  show_into(value, limit, out);
  return out;
}

std::string toml_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (is_control(c)) {
      out += "\\u00" + hex2(static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string show_number(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  std::array<char, 40> buffer{};
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr;
  std::string text(buffer.data(), end);
  const std::size_t exponent = text.find('e');
  if (exponent == std::string::npos) return text.find('.') == std::string::npos ? text + ".0" : text;
  std::size_t digit = exponent + 1;  // 1e-06 -> 1e-6
  if (text[digit] == '+') text.erase(digit, 1);
  if (text[digit] == '-') ++digit;
  while (digit + 1 < text.size() && text[digit] == '0') text.erase(digit, 1);
  return text;
}

}  // namespace grpo
