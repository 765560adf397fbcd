// Methods of str that look at it or change its characters. Its other methods: jinja_methods_split, jinja_format_method.
#include "libgrpo/text/jinja_methods.hpp"
#include "libgrpo/text/jinja_operators.hpp"
#include "libgrpo/text/jinja_unicode.hpp"

#include <algorithm>
#include <array>

namespace grpo::jinja {
namespace {

Value strip_method(const TextCall& call) {
  const Bound bound(call.name, call.arguments, {""});
  const bool left = call.name != "rstrip";
  const bool right = call.name != "lstrip";
  if (!bound.some(0)) return call.like(std::string(strip(call.self, left, right)));
  const std::string_view chars = bound.text(0);
  return call.like(std::string(strip(call.self, left, right, &chars)));
}

/// Code points [first, last) of the text as bytes, as the optional arguments of find, count and startswith give them.
struct Window {
  std::string_view text;
  std::size_t begin = 0;
  bool valid = true;
};

Window window_of(const TextCall& call, const Bound& bound) {
  Window window{call.self};
  if (!bound.some(1) && !bound.some(2)) return window;
  const std::vector<std::size_t> offsets = code_point_offsets(call.self);
  const auto size = static_cast<std::int64_t>(offsets.size() - 1);
  std::int64_t first = bound.some(1) ? bound.integer(1, 0) : 0;
  std::int64_t last = bound.some(2) ? bound.integer(2, size) : size;
  if (first < 0) first = std::max<std::int64_t>(0, first + size);
  last = last < 0 ? std::max<std::int64_t>(0, last + size) : std::min(last, size);
  window.valid = first <= last;
  if (!window.valid) return window;
  window.begin = offsets[static_cast<std::size_t>(first)];
  window.text = window.text.substr(window.begin, offsets[static_cast<std::size_t>(last)] - window.begin);
  return window;
}

/// startswith, endswith
Value edge_method(const TextCall& call) {
  const Bound bound(call.name, call.arguments, {"", "", ""}, 1);
  const Window window = window_of(call, bound);
  const auto matches = [&](const Value& edge) {
    if (!edge.text()) throw Failure(std::string(call.name) + " needs a string or a tuple of strings, got " + type_name(edge));
    const std::string_view text = *edge.text();
    return window.valid && (call.name == "startswith" ? window.text.starts_with(text) : window.text.ends_with(text));
  };
  if (bound[0].list() && bound[0].as<List>()->tuple) {
    return std::any_of(bound[0].list()->begin(), bound[0].list()->end(), matches);
  }
  return matches(bound[0]);
}

/// find, rfind, index, rindex
Value find_method(const TextCall& call) {
  const Bound bound(call.name, call.arguments, {"", "", ""}, 1);
  const std::string& pattern = bound.text(0);
  const Window window = window_of(call, bound);
  std::size_t hit = std::string::npos;
  if (window.valid) hit = call.from_right() ? rfind_text(window.text, pattern) : find_text(window.text, pattern);
  if (hit == std::string::npos) {
    if (call.name.ends_with("index")) throw Failure("substring not found");
    return std::int64_t{-1};
  }
  return code_points(std::string_view(call.self).substr(0, window.begin + hit));
}

Value count_method(const TextCall& call) {
  const Bound bound("count", call.arguments, {"", "", ""}, 1);
  const std::string& pattern = bound.text(0);
  const Window window = window_of(call, bound);
  if (!window.valid) return std::int64_t{0};
  if (pattern.empty()) return code_points(window.text) + 1;
  std::int64_t count = 0;
  for (std::size_t at = find_text(window.text, pattern); at != std::string::npos;
       at = find_text(window.text, pattern, at + pattern.size())) {
    ++count;
  }
  return count;
}

/// ljust, rjust, center, zfill
Value pad_method(const TextCall& call) {
  const Bound bound(call.name, call.arguments, {"", ""}, 1);
  const std::int64_t missing = bound.integer(0, 0) - code_points(call.self);
  const std::string fill = call.name == "zfill" ? "0" : bound.has(1) ? bound.text(1) : " ";
  if (code_points(fill) != 1) throw Failure(std::string(call.name) + ": the fill must be one character");
  if (missing <= 0) return call.like(call.self);
  if (missing > static_cast<std::int64_t>(kMaxValueBytes) / 4) throw Failure("the padded text is above the limit");
  call.budget.take(static_cast<std::size_t>(missing) * fill.size() + call.self.size());
  std::int64_t left = call.name == "ljust" ? 0 : missing;
  if (call.name == "center") left = missing / 2 + (missing & bound.integer(0, 0) & 1);
  std::string out;
  for (std::int64_t i = 0; i < left; ++i) out += fill;
  const bool sign = call.name == "zfill" && !call.self.empty() && (call.self[0] == '-' || call.self[0] == '+');
  out = sign ? call.self[0] + out + call.self.substr(1) : out + call.self;
  for (std::int64_t i = left; i < missing; ++i) out += fill;
  return call.like(std::move(out));
}

/// removeprefix, removesuffix
Value remove_method(const TextCall& call) {
  const Bound bound(call.name, call.arguments, {""}, 1);
  const std::string& edge = bound.text(0);
  const std::string_view self = call.self;
  if (call.name == "removeprefix") return call.like(std::string(self.starts_with(edge) ? self.substr(edge.size()) : self));
  return call.like(std::string(!edge.empty() && self.ends_with(edge) ? self.substr(0, self.size() - edge.size()) : self));
}

/// islower, isupper: some character has case, and none has the other
Value case_method(const TextCall& call) {
  Arguments none;
  static_cast<void>(Bound(call.name, call.arguments, {}));
  return apply_test(call.name.substr(2), Value(call.self), none, call.budget);
}

/// isspace, isalpha, isdigit, isalnum, isdecimal, isnumeric, isascii
Value class_method(const TextCall& call) {
  static_cast<void>(Bound(call.name, call.arguments, {}));
  if (call.name == "isascii") return is_ascii(call.self);
  const auto is_digit = [](char32_t c) { return c >= '0' && c <= '9'; };
  for (std::size_t at = 0; at < call.self.size();) {
    const char32_t c = decode_utf8(call.self, at);
    const bool holds = call.name == "isspace"   ? is_space(c)
                       : call.name == "isalpha" ? is_alphabetic(c)
                       : call.name == "isalnum" ? is_alphabetic(c) || is_digit(c)
                                                : is_digit(c);
    if (!holds) return false;
  }
  return !call.self.empty();
}

template <std::string (*kChange)(std::string_view)>
Value change_method(const TextCall& call) {
  static_cast<void>(Bound(call.name, call.arguments, {}));
  return call.like(kChange(call.self));
}

Value expandtabs_method(const TextCall& call) {
  const Bound bound(call.name, call.arguments, {"tabsize"});
  const std::int64_t size = bound.integer(0, 8);
  if (size > 1000) throw Failure("expandtabs: the tab size is above the limit");
  std::string out;
  std::int64_t column = 0;
  for (std::size_t at = 0; at < call.self.size();) {
    const std::size_t start = at;
    const char32_t c = decode_utf8(call.self, at);
    if (c == '\t') {
      const std::int64_t blanks = size > 0 ? size - column % size : 0;
      out.append(static_cast<std::size_t>(blanks), ' ');
      column += blanks;
      if (out.size() > kMaxValueBytes) throw Failure("expandtabs: the text is above the limit");
    } else {
      out.append(call.self, start, at - start);
      column = c == '\n' || c == '\r' ? 0 : column + 1;
    }
  }
  call.budget.take(out.size());
  return call.like(std::move(out));
}

/// Upper case where a word begins, lower case behind, and at least one such letter.
Value istitle_method(const TextCall& call) {
  static_cast<void>(Bound(call.name, call.arguments, {}));
  bool inside = false;
  bool any = false;
  for (std::size_t at = 0; at < call.self.size();) {
    const char32_t c = decode_utf8(call.self, at);
    const bool upper = is_upper(c);
    if ((upper && inside) || (is_lower(c) && !inside)) return false;
    inside = upper || is_lower(c);
    any = any || inside;
  }
  return any;
}

}  // namespace

const TextMethods& character_methods() {
  static const TextMethods table = {
      {"capitalize", change_method<capitalize>},
      {"casefold", change_method<to_lower>},
      {"center", pad_method},
      {"count", count_method},
      {"endswith", edge_method},
      {"expandtabs", expandtabs_method},
      {"find", find_method},
      {"index", find_method},
      {"isalnum", class_method},
      {"isalpha", class_method},
      {"isascii", class_method},
      {"isdecimal", class_method},
      {"isdigit", class_method},
      {"islower", case_method},
      {"isnumeric", class_method},
      {"isspace", class_method},
      {"istitle", istitle_method},
      {"isupper", case_method},
      {"ljust", pad_method},
      {"lower", change_method<to_lower>},
      {"lstrip", strip_method},
      {"removeprefix", remove_method},
      {"removesuffix", remove_method},
      {"rfind", find_method},
      {"rindex", find_method},
      {"rjust", pad_method},
      {"rstrip", strip_method},
      {"startswith", edge_method},
      {"strip", strip_method},
      {"swapcase", change_method<swap_case>},
      {"title", change_method<title>},
      {"upper", change_method<to_upper>},
      {"zfill", pad_method},
  };
  return table;
}

Value call_text_method(const Value& self, std::string_view name, const Arguments& arguments, Budget& budget) {
  budget.take(self.text()->size());
  const TextCall call{name, *self.text(), self.as<Text>()->markup, arguments, budget};
  for (const TextMethods* table : std::array{&character_methods(), &split_methods()}) {
    if (const auto hit = table->find(name); hit != table->end()) return hit->second(call);
  }
  if (name == "format") return format_method(call);
  throw Failure("the method str." + std::string(name) + " is not supported");
}

}  // namespace grpo::jinja
