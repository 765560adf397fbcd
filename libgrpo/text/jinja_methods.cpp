// Methods of dicts, lists and loops, and the global functions. Methods of strings are in jinja_methods_text.cpp.
#include "libgrpo/text/jinja_builtins.hpp"
#include "libgrpo/text/jinja_operators.hpp"
#include "libgrpo/text/jinja_unicode.hpp"

#include <algorithm>
#include <array>
#include <ctime>
#include <set>

namespace grpo::jinja {
namespace {

using Names = std::set<std::string_view>;

const Names& text_methods() {
  static const Names names = {"capitalize", "casefold",     "center",       "count",   "encode",     "endswith",    "expandtabs",
                              "find",       "format",       "format_map",   "index",   "isalnum",    "isalpha",     "isascii",
                              "isdecimal",  "isdigit",      "isidentifier", "islower", "isnumeric",  "isprintable", "isspace",
                              "istitle",    "isupper",      "join",         "ljust",   "lower",      "lstrip",      "maketrans",
                              "partition",  "removeprefix", "removesuffix", "replace", "rfind",      "rindex",      "rjust",
                              "rpartition", "rsplit",       "rstrip",       "split",   "splitlines", "startswith",  "strip",
                              "swapcase",   "title",        "translate",    "upper",   "zfill"};
  return names;
}

const Names& dict_changes() {
  static const Names names = {"clear", "pop", "popitem", "setdefault", "update"};
  return names;
}

const Names& list_changes() {
  static const Names names = {"append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove"};
  return names;
}

Value dict_method(const Value& self, std::string_view name, const Arguments& arguments, Budget& budget) {
  const DictData& dict = **self.as<Dict>();
  if (name == "get") {
    const Bound bound("get", arguments, {"", ""}, 1);
    if (bound[0].text()) budget.look(bound[0].text()->size() * 8);
    if (const Value* found = dict.find(bound[0])) return *found;
    return bound.has(1) ? bound[1] : Value(None{});
  }
  static_cast<void>(Bound(name, arguments, {}));
  if (name == "copy") return self;
  if (name == "fromkeys") throw Failure("the method dict.fromkeys is not supported");
  budget.take(dict.entries.size() * sizeof(Value) * 4);
  Items items;
  for (const auto& [key, value] : dict.entries) {
    items.push_back(name == "items" ? make_pair(key, value) : name == "keys" ? key : value);
  }
  return make_stream(std::move(items), StreamData::Kind::view, "dict_" + std::string(name));
}

Value list_method(const Value& self, std::string_view name, const Arguments& arguments, Budget& budget) {
  const Items& items = *self.list();
  if (name == "copy") return self;
  const Bound bound(name, arguments, {""}, 1);
  std::int64_t count = 0;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (!equals(items[i], bound[0], budget)) continue;
    if (name == "index") return static_cast<std::int64_t>(i);
    ++count;
  }
  if (name == "index") throw Failure("the value is not in the list");
  return count;
}

Value range_global(const Arguments& arguments, Budget& budget) {
  const Bound bound("range", arguments, {"", "", ""}, 1);
  const bool one = !bound.has(1);
  const std::int64_t start = one ? 0 : bound.integer(0, 0);
  const std::int64_t stop = bound.integer(one ? 0 : 1, 0);
  const std::int64_t step = bound.integer(2, 1);
  if (step == 0) throw Failure("range() step must not be zero");
  return make_range(start, stop, step, budget);
}

}  // namespace

Value strftime_now(const Arguments& arguments, std::int64_t now) {
  const Bound bound("strftime_now", arguments, {"format"}, 1);
  const std::string& format = bound.text(0);
  if (format.empty()) return Value("");
  if (format.size() > 1000 || format.find('\0') != format.npos) throw Failure("strftime_now: the format is too long");
  const auto seconds = static_cast<std::time_t>(now);
  std::tm date{};
  if (!gmtime_r(&seconds, &date)) throw Failure("strftime_now: no date for this time");
  std::array<char, 4096> buffer{};
  const std::size_t size = std::strftime(buffer.data(), buffer.size(), format.c_str(), &date);
  return Value(to_valid_utf8(std::string_view(buffer.data(), size)));
}

bool is_changing_method(const Value& value, std::string_view name) {
  if (value.is<Dict>()) return dict_changes().count(name) > 0;
  return value.is<List>() && !value.as<List>()->tuple && list_changes().count(name) > 0;
}

bool is_method(const Value& value, std::string_view name) {
  if (value.text()) return text_methods().count(name) > 0;
  if (value.is<Dict>()) {
    return name == "get" || name == "items" || name == "keys" || name == "values" || name == "copy" || name == "fromkeys";
  }
  if (value.is<Loop>()) return name == "cycle" || name == "changed";
  if (value.is<List>()) return name == "count" || name == "index" || (name == "copy" && !value.as<List>()->tuple);
  return false;
}

Value call_method(const Value& self, std::string_view name, const Arguments& arguments, Budget& budget) {
  budget.step();
  if (self.text()) return call_text_method(self, name, arguments, budget);
  if (self.is<Dict>()) return dict_method(self, name, arguments, budget);
  if (self.is<List>()) return list_method(self, name, arguments, budget);
  LoopData& loop = **self.as<Loop>();
  if (name == "cycle") {
    if (arguments.positional.empty()) throw Failure("no items for cycling given");
    return arguments.positional[static_cast<std::size_t>(loop.index0) % arguments.positional.size()];
  }
  // changed(...): true if the arguments differ from those of the last call
  Value now = make_list(arguments.positional, true);
  loop.depth = std::max(loop.depth, 1 + depth_of(now));
  const bool changed = !loop.last_changed || !equals(*loop.last_changed, now, budget);
  if (!loop.finished) loop.last_changed = std::move(now);
  return changed;
}

bool loop_attribute(LoopData& loop, std::string_view name, Value& result) {
  if (name == "index") {
    result = loop.index0 + 1;
  } else if (name == "index0") {
    result = loop.index0;
  } else if (name == "first") {
    result = loop.index0 == 0;
  } else if (name == "last") {
    result = loop.peek() == nullptr;
  } else if (name == "length") {
    result = loop.length();
  } else if (name == "revindex") {
    result = loop.length() - loop.index0;
  } else if (name == "revindex0") {
    result = loop.length() - loop.index0 - 1;
  } else if (name == "previtem") {
    result = loop.index0 == 0 ? undefined("there is no previous item") : loop.previous;
  } else if (name == "nextitem") {
    const Value* next = loop.peek();
    result = next ? *next : undefined("there is no next item");
  } else if (name == "depth" || name == "depth0") {
    result = std::int64_t{loop.level} - (name == "depth" ? 0 : 1);
  } else {
    return false;
  }
  return true;
}

bool is_global(std::string_view name) {
  static const Names names = {"range", "dict", "namespace", "raise_exception", "strftime_now"};
  return names.count(name) > 0;
}

DictData build_dict(const Arguments& arguments, Budget& budget) {
  DictData dict;
  const auto put = [&](const Value& key, const Value& value) {
    budget.take(2 * sizeof(Value) + (key.text() ? key.text()->size() : 0));
    dict.set(key, value);
  };
  if (arguments.positional.size() > 1) throw Failure("dict takes one positional argument at most");
  if (!arguments.positional.empty()) {
    const Value& source = arguments.positional[0];
    if (const auto* other = source.as<Dict>()) {
      for (const auto& [key, value] : (*other)->entries) put(key, value);
    } else {
      for (const Value& pair : iterate(source, budget)) {
        const Items parts = iterate(pair, budget);
        if (parts.size() != 2) throw Failure("dict needs pairs, got a sequence of " + std::to_string(parts.size()));
        put(parts[0], parts[1]);
      }
    }
  }
  for (const auto& [key, value] : arguments.named) put(Value(key), value);
  return dict;
}

Value call_global(std::string_view name, const Arguments& arguments, Budget& budget) {
  budget.step();
  if (name == "range") return range_global(arguments, budget);
  if (name == "dict") return make_dict(build_dict(arguments, budget));
  const Bound bound("raise_exception", arguments, {"message"}, 1);
  throw Failure("the template refuses: " + to_str(bound[0], budget).substr(0, 1000));
}

}  // namespace grpo::jinja
