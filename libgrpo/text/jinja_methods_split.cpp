// Methods of str that take it apart or put it together.
#include "libgrpo/text/jinja_methods.hpp"
#include "libgrpo/text/jinja_unicode.hpp"

#include <algorithm>
#include <limits>

namespace grpo::jinja {
namespace {

constexpr std::int64_t kNoLimit = std::numeric_limits<std::int64_t>::max();

Value list_of(const TextCall& call, const std::vector<std::string_view>& parts) {
  call.budget.take(parts.size() * (sizeof(Value) + 48));
  Items items;
  for (const std::string_view part : parts) items.push_back(call.like(std::string(part)));
  return make_list(std::move(items));
}

Value replace_method(const TextCall& call) {
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

Value split_method(const TextCall& call) {
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

Value partition_method(const TextCall& call) {
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

Value join_method(const TextCall& call) {
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

Value lines_method(const TextCall& call) {
  const Bound bound("splitlines", call.arguments, {"keepends"});
  return list_of(call, split_lines(call.self, bound.flag(0)));
}

}  // namespace

const TextMethods& split_methods() {
  static const TextMethods table = {
      {"join", join_method},    {"partition", partition_method}, {"replace", replace_method},  {"rpartition", partition_method},
      {"rsplit", split_method}, {"split", split_method},         {"splitlines", lines_method},
  };
  return table;
}

}  // namespace grpo::jinja
