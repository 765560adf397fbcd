// Filters on texts.
#include "libgrpo/text/jinja_filters.hpp"
#include "libgrpo/text/jinja_operators.hpp"
#include "libgrpo/text/jinja_unicode.hpp"

#include <algorithm>

namespace grpo::jinja {
namespace {

Value trim_filter(const FilterCall& call) {
  const Bound bound("trim", call.arguments, {"chars"});
  const std::string text = call.text();
  if (!bound.some(0)) return call.like(std::string(strip(text, true, true)));
  const std::string_view chars = bound.text(0);
  return call.like(std::string(strip(text, true, true, &chars)));
}

/// Words begin at the start and behind whitespace, - ( { [ <.
Value title_filter(const FilterCall& call) {
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

Value replace_filter(const FilterCall& call) {
  const Bound bound("replace", call.arguments, {"old", "new", "count"}, 2);
  Arguments arguments;
  arguments.positional = {Value(to_str(bound[0], call.budget)), Value(to_str(bound[1], call.budget)),
                          Value(bound.some(2) ? bound.integer(2, -1) : std::int64_t{-1})};
  return call_text_method(Value(call.text()), "replace", arguments, call.budget);
}

Value indent_filter(const FilterCall& call) {
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
  return call.like(std::move(out));
}

Value escape_filter(const FilterCall& call) {
  if (call.markup()) return call.input;
  std::string out = escape_html(call.text());
  call.budget.take(out.size());
  return Value(std::move(out), true);
}

Value format_filter(const FilterCall& call) {
  if (!call.arguments.named.empty() && !call.arguments.positional.empty()) {
    throw Failure("format takes positional or named arguments, not both");
  }
  if (!call.arguments.named.empty()) {
    Arguments named{{}, call.arguments.named};
    return call.like(percent_format(call.text(), make_dict(build_dict(named, call.budget)), call.budget));
  }
  return call.like(percent_format(call.text(), make_list(call.arguments.positional, true), call.budget));
}

Value center_filter(const FilterCall& call) {
  const Bound bound("center", call.arguments, {"width"});
  const Arguments arguments{{Value(bound.integer(0, 80))}, {}};
  return call_text_method(call.like(call.text()), "center", arguments, call.budget);
}

Value truncate_filter(const FilterCall& call) {
  const Bound bound("truncate", call.arguments, {"length", "killwords", "end", "leeway"});
  const std::int64_t most = bound.integer(0, 255);
  const std::string end = bound.has(2) ? bound.text(2) : "...";
  const std::int64_t leeway = bound.some(3) ? bound.integer(3, 0) : 5;
  if (most < code_points(end) || leeway < 0) throw Failure("truncate: the length is too short, or leeway below 0");
  if (length(call.input) <= most || length(call.input) - most <= leeway) return call.input;
  if (!call.input.text()) throw Failure("truncate needs a string, got " + type_name(call.input));
  const std::string& text = *call.input.text();
  call.budget.take(text.size());
  std::string kept = text.substr(0, code_point_offsets(text)[static_cast<std::size_t>(most - code_points(end))]);
  if (!bound.flag(1)) kept.resize(std::min(kept.rfind(' '), kept.size()));
  return call.like(kept + end);
}

std::string percent_encoded(std::string_view text, bool query) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (letter || c == '_' || c == '.' || c == '-' || c == '~' || (c == '/' && !query)) {
      out += c;
    } else if (c == ' ' && query) {
      out += '+';
    } else {
      out += {'%', kHex[byte >> 4U], kHex[byte & 15U]};
    }
  }
  return out;
}

/// A text, or pairs as a query: "a=1&b=2".
Value urlencode_filter(const FilterCall& call) {
  static_cast<void>(Bound("urlencode", call.arguments, {}));
  const bool pairs = call.input.list() || call.input.is<Dict>() || call.input.is<Stream>() || call.input.is<Undefined>();
  std::string out;
  if (!pairs) {
    out = percent_encoded(call.text(), false);
    call.budget.take(out.size());
    return Value(std::move(out));
  }
  Items items;
  if (const auto* dict = call.input.as<Dict>()) {
    for (const auto& [key, value] : (*dict)->entries) items.push_back(make_pair(key, value));
  } else {
    items = iterate(call.input, call.budget);
  }
  for (const Value& item : items) {
    const Items pair = iterate(item, call.budget);
    if (pair.size() != 2) throw Failure("urlencode needs pairs, got a sequence of " + std::to_string(pair.size()));
    if (!out.empty()) out += '&';
    out += percent_encoded(to_str(pair[0], call.budget), true) + "=" + percent_encoded(to_str(pair[1], call.budget), true);
    call.budget.take(out.size());
  }
  return Value(std::move(out));
}

Value wordcount_filter(const FilterCall& call) {
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

}  // namespace

const FilterTable& text_filters() {
  static const FilterTable table = {
      {"capitalize", [](const FilterCall& call) { return call.like(capitalize(call.text())); }},
      {"center", center_filter},
      {"e", escape_filter},
      {"escape", escape_filter},
      {"forceescape", [](const FilterCall& call) { return Value(escape_html(call.text()), true); }},
      {"format", format_filter},
      {"indent", indent_filter},
      {"lower", [](const FilterCall& call) { return call.like(to_lower(call.text())); }},
      {"replace", replace_filter},
      {"safe", [](const FilterCall& call) { return Value(call.text(), true); }},
      {"title", title_filter},
      {"trim", trim_filter},
      {"truncate", truncate_filter},
      {"upper", [](const FilterCall& call) { return call.like(to_upper(call.text())); }},
      {"urlencode", urlencode_filter},
      {"wordcount", wordcount_filter},
  };
  return table;
}

}  // namespace grpo::jinja
