// Arguments of calls laid out along parameters, and Python's int() and float() of a text.
#include "libgrpo/text/jinja_builtins.hpp"
#include "libgrpo/text/jinja_unicode.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <limits>

namespace grpo::jinja {

Bound::Bound(std::string_view function, const Arguments& arguments, std::initializer_list<std::string_view> names, std::size_t required)
    : function_(function), values_(names.size(), nullptr) {
  if (arguments.positional.size() > names.size()) {
    throw Failure(function_ + " takes at most " + std::to_string(names.size()) + " arguments, got " +
                  std::to_string(arguments.positional.size()));
  }
  for (std::size_t i = 0; i < arguments.positional.size(); ++i) values_[i] = &arguments.positional[i];
  for (const auto& [name, value] : arguments.named) {
    const auto* const hit = std::find(names.begin(), names.end(), name);
    if (hit == names.end() || name.empty()) throw Failure(function_ + " has no argument '" + name + "'");
    const auto i = static_cast<std::size_t>(hit - names.begin());
    if (values_[i]) throw Failure(function_ + " got two values for '" + name + "'");
    values_[i] = &value;
  }
  for (std::size_t i = 0; i < required; ++i) {
    if (!values_[i]) throw Failure(function_ + " needs at least " + std::to_string(required) + " arguments");
  }
}

std::int64_t Bound::integer(std::size_t i, std::int64_t preset) const {
  if (!values_[i]) return preset;
  if (const auto* number = values_[i]->as<std::int64_t>()) return *number;
  if (const auto* flag = values_[i]->as<bool>()) return *flag ? 1 : 0;
  throw Failure(function_ + " needs an integer, got " + type_name(*values_[i]));
}

const std::string& Bound::text(std::size_t i) const {
  const std::string* text = values_[i] ? values_[i]->text() : nullptr;
  if (!text) throw Failure(function_ + " needs a string" + (values_[i] ? ", got " + type_name(*values_[i]) : ""));
  return *text;
}

namespace {

/// Digits without Python's underscores; nullopt if one is misplaced.
std::optional<std::string> plain_digits(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') {
      out += text[i];
      continue;
    }
    const auto is_alnum = [&](std::size_t k) { return k < text.size() && std::isalnum(static_cast<unsigned char>(text[k])); };
    if (i == 0 || !is_alnum(i - 1) || !is_alnum(i + 1)) return std::nullopt;
  }
  return out;
}

}  // namespace

std::optional<std::int64_t> parse_integer(std::string_view text, int base) {
  std::optional<std::string> digits = plain_digits(strip(text, true, true));
  if (!digits || digits->empty() || base == 1 || base < 0 || base > 36) return std::nullopt;
  std::string& rest = *digits;
  const bool negative = rest[0] == '-';
  if (negative || rest[0] == '+') rest.erase(0, 1);
  const auto has_prefix = [&](char letter) { return rest.size() > 2 && rest[0] == '0' && (rest[1] | 0x20) == letter; };
  for (const auto& [letter, prefix_base] : {std::pair{'x', 16}, {'o', 8}, {'b', 2}}) {
    if (has_prefix(letter) && (base == prefix_base || base == 0)) {
      rest.erase(0, 2);
      base = prefix_base;
    }
  }
  if (base == 0) base = 10;
  if (rest.empty() || rest[0] == '-' || rest[0] == '+') return std::nullopt;
  if (negative) rest.insert(0, "-");
  std::int64_t value = 0;
  const auto result = std::from_chars(rest.data(), rest.data() + rest.size(), value, base);
  if (result.ptr != rest.data() + rest.size()) return std::nullopt;
  if (result.ec == std::errc::result_out_of_range) throw Failure("an integer does not fit into 64 bits");
  return result.ec == std::errc() ? std::optional(value) : std::nullopt;
}

std::optional<double> parse_float(std::string_view text) {
  std::optional<std::string> digits = plain_digits(strip(text, true, true));
  if (!digits || digits->empty()) return std::nullopt;
  std::string rest = to_lower(*digits);
  const bool negative = rest[0] == '-';
  if (negative || rest[0] == '+') rest.erase(0, 1);
  if (rest.empty() || rest[0] == '-' || rest[0] == '+') return std::nullopt;
  double value = 0;
  const auto result = std::from_chars(rest.data(), rest.data() + rest.size(), value);
  if (result.ptr != rest.data() + rest.size() || rest.find('(') != std::string::npos) return std::nullopt;
  if (result.ec == std::errc::result_out_of_range) {
    value = rest.find("e-") != std::string::npos ? 0.0 : std::numeric_limits<double>::infinity();
  }
  return negative ? -value : value;
}

}  // namespace grpo::jinja
