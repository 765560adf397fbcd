// Methods of str, and % formatting.
#include "libgrpo/text/jinja_builtins.hpp"
#include "libgrpo/text/jinja_operators.hpp"
#include "libgrpo/text/jinja_unicode.hpp"

#include <algorithm>
#include <limits>
#include <map>

namespace grpo::jinja {
namespace {

struct Call {
  std::string_view name;
  const std::string& self;
  bool markup;
  const Arguments& arguments;
  Budget& budget;

  [[nodiscard]] Value like(std::string text) const { return Value(std::move(text), markup); }
  [[nodiscard]] bool from_right() const { return name[0] == 'r'; }
};

constexpr std::int64_t kNoLimit = std::numeric_limits<std::int64_t>::max();

Value list_of(const Call& call, const std::vector<std::string_view>& parts) {
  call.budget.take(parts.size() * (sizeof(Value) + 48));
  Items items;
  for (const std::string_view part : parts) items.push_back(call.like(std::string(part)));
  return make_list(std::move(items));
}

Value strip_method(const Call& call) {
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

Window window_of(const Call& call, const Bound& bound) {
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
Value edge_method(const Call& call) {
  const Bound bound(call.name, call.arguments, {"", "", ""}, 1);
  const Window window = window_of(call, bound);
  const auto matches = [&](const Value& edge) {
    if (!edge.text())
      throw Failure(std::string(call.name) + " needs a string or a tuple of strings, got " + type_name(edge));
    const std::string_view text = *edge.text();
    return window.valid && (call.name == "startswith" ? window.text.starts_with(text) : window.text.ends_with(text));
  };
  if (bound[0].list() && bound[0].as<List>()->tuple) {
    return std::any_of(bound[0].list()->begin(), bound[0].list()->end(), matches);
  }
  return matches(bound[0]);
}

/// find, rfind, index, rindex
Value find_method(const Call& call) {
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

Value count_method(const Call& call) {
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

Value replace_method(const Call& call) {
  const Bound bound("replace", call.arguments, {"", "", "count"}, 2);
  const std::string& old_text = bound.text(0);
  const std::string& new_text = bound.text(1);
  const std::int64_t wanted = bound.integer(2, -1);
  std::int64_t left = wanted < 0 ? kNoLimit : wanted;
  std::string out;
  const auto put = [&](std::string_view text) {
    if (out.size() + text.size() > kMaxValueBytes) throw Failure("replace: the text is above the limit");
    out += text;
  };
  std::size_t at = 0;
  if (old_text.empty()) {  // between all characters
    while (left-- > 0) {
      put(new_text);
      if (at >= call.self.size()) break;
      const std::size_t start = at;
      decode_utf8(call.self, at);
      put(std::string_view(call.self).substr(start, at - start));
    }
  } else {
    for (std::size_t hit; left > 0 && (hit = find_text(call.self, old_text, at)) != std::string::npos; --left) {
      put(std::string_view(call.self).substr(at, hit - at));
      put(new_text);
      at = hit + old_text.size();
    }
  }
  if (at < call.self.size()) put(std::string_view(call.self).substr(at));
  call.budget.take(out.size());
  return call.like(std::move(out));
}

std::vector<std::string_view> split_spaces(std::string_view text, std::int64_t limit, bool from_right) {
  std::vector<std::string_view> parts;
  text = strip(text, !from_right, from_right);
  while (!text.empty()) {
    if (limit-- <= 0) {
      parts.push_back(text);
      break;
    }
    if (from_right) {
      std::size_t start = text.size();
      while (start > 0) {
        std::size_t before = start - 1;
        while (before > 0 && (static_cast<unsigned char>(text[before]) & 0xC0U) == 0x80U) --before;
        std::size_t next = before;
        if (is_space(decode_utf8(text, next))) break;
        start = before;
      }
      parts.push_back(text.substr(start));
      text = strip(text.substr(0, start), false, true);
    } else {
      std::size_t end = 0;
      for (std::size_t at = 0; at < text.size(); end = at) {
        if (is_space(decode_utf8(text, at))) break;
      }
      parts.push_back(text.substr(0, end));
      text = strip(text.substr(end), true, false);
    }
  }
  return parts;
}

Value split_method(const Call& call) {
  const Bound bound(call.name, call.arguments, {"sep", "maxsplit"});
  const std::int64_t wanted = bound.integer(1, -1);
  std::int64_t limit = wanted < 0 ? kNoLimit : wanted;
  std::vector<std::string_view> parts;
  std::string_view text = call.self;
  if (!bound.some(0)) {
    parts = split_spaces(text, limit, call.from_right());
  } else {
    const std::string& separator = bound.text(0);
    if (separator.empty()) throw Failure("split: empty separator");
    if (call.from_right() && limit != kNoLimit) {
      std::vector<std::size_t> hits;  // from the right: matches may not overlap
      std::size_t end = text.size();
      while (limit-- > 0) {
        call.budget.look(end);
        const std::size_t hit = rfind_text(text.substr(0, end), separator);
        if (hit == text.npos) break;
        parts.push_back(text.substr(hit + separator.size(), end - hit - separator.size()));
        end = hit;
      }
      parts.push_back(text.substr(0, end));
    } else {
      for (std::size_t hit; limit > 0 && (hit = find_text(text, separator)) != text.npos; --limit) {
        parts.push_back(text.substr(0, hit));
        text.remove_prefix(hit + separator.size());
      }
      parts.push_back(text);
      return list_of(call, parts);
    }
  }
  if (call.from_right()) std::reverse(parts.begin(), parts.end());
  return list_of(call, parts);
}

Value partition_method(const Call& call) {
  const Bound bound(call.name, call.arguments, {""}, 1);
  const std::string& separator = bound.text(0);
  if (separator.empty()) throw Failure("partition: empty separator");
  const std::size_t hit = call.from_right() ? rfind_text(call.self, separator) : find_text(call.self, separator);
  std::string before = call.self.substr(0, hit == std::string::npos ? call.self.size() : hit);
  Items parts;
  if (hit == std::string::npos) {
    parts = {call.like(call.from_right() ? "" : before), Value(""), call.like(call.from_right() ? before : "")};
  } else {
    parts = {call.like(std::move(before)), call.like(separator), call.like(call.self.substr(hit + separator.size()))};
  }
  return make_list(std::move(parts), true);
}

Value join_method(const Call& call) {
  const Bound bound("join", call.arguments, {""}, 1);
  std::string out;
  bool first = true;
  if (bound[0].is<Undefined>()) return call.like("");
  for (const Value& item : iterate(bound[0], call.budget)) {
    if (!item.text()) throw Failure("join needs strings, got " + type_name(item));
    call.budget.take(item.text()->size() + call.self.size());
    if (!first) out += call.self;
    out += *item.text();
    first = false;
    if (out.size() > kMaxValueBytes) throw Failure("join: the text is above the limit");
  }
  return call.like(std::move(out));
}

/// ljust, rjust, center, zfill
Value pad_method(const Call& call) {
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
Value remove_method(const Call& call) {
  const Bound bound(call.name, call.arguments, {""}, 1);
  const std::string& edge = bound.text(0);
  const std::string_view self = call.self;
  if (call.name == "removeprefix")
    return call.like(std::string(self.starts_with(edge) ? self.substr(edge.size()) : self));
  return call.like(
      std::string(!edge.empty() && self.ends_with(edge) ? self.substr(0, self.size() - edge.size()) : self));
}

/// islower, isupper: some character has case, and none has the other
Value case_method(const Call& call) {
  Arguments none;
  static_cast<void>(Bound(call.name, call.arguments, {}));
  return apply_test(call.name.substr(2), Value(call.self), none, call.budget);
}

/// isspace, isalpha, isdigit, isalnum, isdecimal, isnumeric, isascii
Value class_method(const Call& call) {
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
Value change_method(const Call& call) {
  static_cast<void>(Bound(call.name, call.arguments, {}));
  return call.like(kChange(call.self));
}

Value lines_method(const Call& call) {
  const Bound bound("splitlines", call.arguments, {"keepends"});
  return list_of(call, split_lines(call.self, bound.flag(0)));
}

using Method = Value (*)(const Call&);

const std::map<std::string_view, Method>& methods() {
  static const std::map<std::string_view, Method> table = {
      {"capitalize", change_method<capitalize>},
      {"casefold", change_method<to_lower>},
      {"center", pad_method},
      {"count", count_method},
      {"endswith", edge_method},
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
      {"isupper", case_method},
      {"join", join_method},
      {"ljust", pad_method},
      {"lower", change_method<to_lower>},
      {"lstrip", strip_method},
      {"partition", partition_method},
      {"removeprefix", remove_method},
      {"removesuffix", remove_method},
      {"replace", replace_method},
      {"rfind", find_method},
      {"rindex", find_method},
      {"rjust", pad_method},
      {"rpartition", partition_method},
      {"rsplit", split_method},
      {"rstrip", strip_method},
      {"split", split_method},
      {"splitlines", lines_method},
      {"startswith", edge_method},
      {"strip", strip_method},
      {"swapcase", change_method<swap_case>},
      {"title", change_method<title>},
      {"upper", change_method<to_upper>},
      {"zfill", pad_method},
  };
  return table;
}

}  // namespace

Value call_text_method(const Value& self, std::string_view name, const Arguments& arguments, Budget& budget) {
  const auto hit = methods().find(name);
  if (hit == methods().end()) throw Failure("the method str." + std::string(name) + " is not supported");
  budget.take(self.text()->size());
  return hit->second(Call{name, *self.text(), self.as<Text>()->markup, arguments, budget});
}

}  // namespace grpo::jinja
