// Filters on sequences: join, map, select, sort and their kin.
#include "libgrpo/text/jinja_builtins.hpp"
#include "libgrpo/text/jinja_operators.hpp"
#include "libgrpo/text/jinja_unicode.hpp"

#include <algorithm>
#include <map>
#include <unordered_set>

namespace grpo::jinja {
namespace {

struct Call {
  std::string_view name;
  const Value& input;
  const Arguments& arguments;
  Budget& budget;
};

/// item.a.b.0 for "a.b.0"; an integer or None as they are.
Value path_of(const Value& item, const Value& path, Budget& budget, const Value* preset = nullptr) {
  if (path.is<None>()) return item;
  if (!path.text()) {
    Value found = get_item(item, path, budget);
    return preset && found.is<Undefined>() ? *preset : found;
  }
  Value current = item;
  std::string_view rest = *path.text();
  for (bool more = true; more;) {
    budget.step();
    const std::size_t dot = rest.find('.');
    more = dot != rest.npos;
    const std::string_view part = rest.substr(0, dot);
    if (more) rest.remove_prefix(dot + 1);
    const bool digits = !part.empty() && part.find_first_not_of("0123456789") == part.npos;
    current = get_item(current, digits ? Value(parse_integer(part, 10).value_or(0)) : Value(part), budget);
    if (preset && current.is<Undefined>()) current = *preset;
  }
  return current;
}

Value fold_case(Value value, bool case_sensitive) {
  return !case_sensitive && value.text() ? Value(to_lower(*value.text())) : value;
}

Value join_filter(const Call& call) {
  const Bound bound("join", call.arguments, {"d", "attribute"});
  const std::string separator = bound.has(0) ? to_str(bound[0], call.budget) : "";
  std::string out;
  bool first = true;
  for (const Value& item : iterate(call.input, call.budget)) {
    if (!first) out += separator;
    first = false;
    const std::string text = to_str(bound.some(1) ? path_of(item, bound[1], call.budget) : item, call.budget);
    call.budget.take(text.size() + separator.size());
    out += text;
    if (out.size() > kMaxValueBytes) throw Failure("join: the text is above the limit");
  }
  return Value(std::move(out));
}

Value first_filter(const Call& call) {
  if (const auto* stream = call.input.as<Stream>(); stream && (*stream)->kind == StreamData::Kind::generator) {
    StreamData& data = **stream;
    return data.next < data.items.size() ? data.items[data.next++] : undefined("no first item, the sequence is empty");
  }
  if (call.input.text() && !call.input.text()->empty())
    return get_item(call.input, Value(std::int64_t{0}), call.budget);
  const Items items = iterate(call.input, call.budget);
  return items.empty() ? undefined("no first item, the sequence is empty") : items.front();
}

Value last_filter(const Call& call) {
  if (const auto* stream = call.input.as<Stream>(); stream && (*stream)->kind == StreamData::Kind::generator) {
    throw Failure("a generator cannot be read from its end");
  }
  if (call.input.text() && !call.input.text()->empty())
    return get_item(call.input, Value(std::int64_t{-1}), call.budget);
  const Items items = iterate(call.input, call.budget);
  return items.empty() ? undefined("no last item, the sequence is empty") : items.back();
}

Value list_filter(const Call& call) { return make_list(iterate(call.input, call.budget)); }

Value reverse_filter(const Call& call) {
  if (call.input.text()) return get_slice(call.input, None{}, None{}, Value(std::int64_t{-1}), call.budget);
  const auto* stream = call.input.as<Stream>();
  const bool generator = stream && (*stream)->kind == StreamData::Kind::generator;
  Items items = iterate(call.input, call.budget);
  std::reverse(items.begin(), items.end());
  return generator ? make_list(std::move(items)) : make_stream(std::move(items));
}

Value map_filter(const Call& call) {
  Items out;
  if (!truth(call.input)) return make_stream({});  // None and 0 too, as in jinja2
  const Items items = iterate(call.input, call.budget);
  if (call.arguments.positional.empty()) {
    const Bound bound("map", call.arguments, {"attribute", "default"}, 1);
    const Value* preset = bound.some(1) ? &bound[1] : nullptr;
    for (const Value& item : items) out.push_back(path_of(item, bound[0], call.budget, preset));
    return make_stream(std::move(out));
  }
  Arguments rest = call.arguments;
  if (!rest.positional[0].text()) throw Failure("map needs the name of a filter");
  const std::string name = *rest.positional[0].text();
  if (name == "map") throw Failure("map of map is not supported");
  rest.positional.erase(rest.positional.begin());
  for (const Value& item : items) out.push_back(apply_filter(name, item, rest, call.budget));
  return make_stream(std::move(out));
}

/// select, reject, selectattr, rejectattr
Value select_filter(const Call& call) {
  if (!truth(call.input)) return make_stream({});
  const bool keep = call.name.substr(0, 6) == "select";
  const bool by_attribute = call.name.size() > 6;
  Arguments rest = call.arguments;
  const auto pop = [&] {
    Value front = rest.positional.front();
    rest.positional.erase(rest.positional.begin());
    return front;
  };
  if (by_attribute && rest.positional.empty())
    throw Failure(std::string(call.name) + " needs the name of an attribute");
  const Value attribute = by_attribute ? pop() : Value(None{});
  const bool has_test = !rest.positional.empty();
  const Value test = has_test ? pop() : Value();
  if (has_test && !test.text()) throw Failure(std::string(call.name) + " needs the name of a test");
  Items out;
  for (const Value& item : iterate(call.input, call.budget)) {
    const Value seen = path_of(item, attribute, call.budget);
    const bool holds = has_test ? apply_test(*test.text(), seen, rest, call.budget) : truth(seen);
    if (holds == keep) out.push_back(item);
  }
  return make_stream(std::move(out));
}

struct Keyed {
  Items keys;
  Value item;
};

void sort_by_keys(std::vector<Keyed>& items, bool reverse, Budget& budget) {
  const auto before = [&](const Keyed& a, const Keyed& b) {
    for (std::size_t i = 0; i < a.keys.size(); ++i) {
      if (!equals(a.keys[i], b.keys[i], budget)) return compare(a.keys[i], b.keys[i], "<", budget) < 0;
    }
    return false;
  };
  std::stable_sort(items.begin(), items.end(),
                   [&](const Keyed& a, const Keyed& b) { return reverse ? before(b, a) : before(a, b); });
}

Value sorted(std::vector<Keyed> keyed, bool reverse, Budget& budget) {
  sort_by_keys(keyed, reverse, budget);
  Items out;
  for (Keyed& one : keyed) out.push_back(std::move(one.item));
  return make_list(std::move(out));
}

Value sort_filter(const Call& call) {
  const Bound bound("sort", call.arguments, {"reverse", "case_sensitive", "attribute"});
  std::vector<Value> paths;
  if (bound.some(2) && bound[2].text()) {
    std::string_view rest = *bound[2].text();
    for (std::size_t comma = 0; comma != rest.npos;) {
      comma = rest.find(',');
      paths.emplace_back(rest.substr(0, comma));
      if (comma != rest.npos) rest.remove_prefix(comma + 1);
    }
  } else {
    paths.push_back(bound.has(2) ? bound[2] : Value(None{}));
  }
  std::vector<Keyed> keyed;
  for (Value& item : iterate(call.input, call.budget)) {
    Keyed one;
    for (const Value& path : paths) one.keys.push_back(fold_case(path_of(item, path, call.budget), bound.flag(1)));
    one.item = std::move(item);
    keyed.push_back(std::move(one));
  }
  return sorted(std::move(keyed), bound.flag(0), call.budget);
}

const DictData& mapping_of(const Call& call) {
  if (call.input.is<Undefined>()) fail_undefined(call.input);
  const auto* dict = call.input.as<Dict>();
  if (!dict) throw Failure(std::string(call.name) + " needs a mapping, got " + type_name(call.input));
  return **dict;
}

Value dictsort_filter(const Call& call) {
  const Bound bound("dictsort", call.arguments, {"case_sensitive", "by", "reverse"});
  const std::string by = bound.has(1) ? bound.text(1) : "key";
  if (by != "key" && by != "value") throw Failure("dictsort: by must be \"key\" or \"value\"");
  std::vector<Keyed> keyed;
  call.budget.take(mapping_of(call).entries.size() * sizeof(Value) * 4);
  for (const auto& [key, value] : mapping_of(call).entries) {
    Keyed one;
    one.keys.push_back(fold_case(by == "key" ? key : value, bound.flag(0)));
    one.item = make_pair(key, value);
    keyed.push_back(std::move(one));
  }
  return sorted(std::move(keyed), bound.flag(2), call.budget);
}

Value items_filter(const Call& call) {
  Items out;
  if (!call.input.is<Undefined>()) {
    call.budget.take(mapping_of(call).entries.size() * sizeof(Value) * 4);
    for (const auto& [key, value] : mapping_of(call).entries) out.push_back(make_pair(key, value));
  }
  return make_stream(std::move(out));
}

Value unique_filter(const Call& call) {
  const Bound bound("unique", call.arguments, {"case_sensitive", "attribute"});
  std::unordered_set<std::string> seen;
  Items out;
  for (const Value& item : iterate(call.input, call.budget)) {
    const Value key = fold_case(bound.has(1) ? path_of(item, bound[1], call.budget) : item, bound.flag(0));
    if (key.text()) call.budget.take(key.text()->size());
    if (seen.insert(hash_key(key)).second) out.push_back(item);
  }
  return make_stream(std::move(out));
}

/// min and max: the first of equal items
Value extreme_filter(const Call& call) {
  const Bound bound(call.name, call.arguments, {"case_sensitive", "attribute"});
  const bool smallest = call.name == "min";
  Value best = undefined("no aggregated item, the sequence is empty");
  Value best_key;
  bool first = true;
  for (const Value& item : iterate(call.input, call.budget)) {
    const Value key = fold_case(bound.has(1) ? path_of(item, bound[1], call.budget) : item, bound.flag(0));
    const int order = first ? 0 : compare(key, best_key, smallest ? "<" : ">", call.budget);
    if (first || (smallest ? order < 0 : order > 0)) {
      best = item;
      best_key = key;
    }
    first = false;
  }
  return best;
}

Value sum_filter(const Call& call) {
  const Bound bound("sum", call.arguments, {"attribute", "start"});
  Value total = bound.has(1) ? bound[1] : Value(std::int64_t{0});
  if (total.text()) throw Failure("sum cannot add strings, use join");
  for (const Value& item : iterate(call.input, call.budget)) {
    total = arithmetic("+", total, bound.some(0) ? path_of(item, bound[0], call.budget) : item, call.budget);
  }
  return total;
}

Value batch_filter(const Call& call) {
  const Bound bound("batch", call.arguments, {"linecount", "fill_with"}, 1);
  const std::int64_t size = bound.integer(0, 1);
  Items out;
  Items row;
  for (const Value& item : iterate(call.input, call.budget)) {
    if (static_cast<std::int64_t>(row.size()) == size) out.push_back(make_list(std::exchange(row, {})));
    row.push_back(item);
  }
  if (!row.empty()) {
    const std::int64_t missing = size - static_cast<std::int64_t>(row.size());
    if (bound.some(1) && missing > 0) {
      if (missing > kMaxRange) throw Failure("batch: the row is above the limit");
      call.budget.take(static_cast<std::size_t>(missing) * sizeof(Value));
      row.insert(row.end(), static_cast<std::size_t>(missing), bound[1]);
    }
    out.push_back(make_list(std::move(row)));
  }
  return make_stream(std::move(out));
}

using Filter = Value (*)(const Call&);

const std::map<std::string_view, Filter>& filters() {
  static const std::map<std::string_view, Filter> table = {
      {"batch", batch_filter},     {"dictsort", dictsort_filter}, {"first", first_filter},
      {"items", items_filter},     {"join", join_filter},         {"last", last_filter},
      {"list", list_filter},       {"map", map_filter},           {"max", extreme_filter},
      {"min", extreme_filter},     {"reject", select_filter},     {"rejectattr", select_filter},
      {"reverse", reverse_filter}, {"select", select_filter},     {"selectattr", select_filter},
      {"sort", sort_filter},       {"sum", sum_filter},           {"unique", unique_filter},
  };
  return table;
}

}  // namespace

bool is_sequence_filter(std::string_view name) { return filters().count(name) > 0; }

std::optional<Value> apply_sequence_filter(std::string_view name, const Value& input, const Arguments& arguments,
                                           Budget& budget) {
  const auto hit = filters().find(name);
  if (hit == filters().end()) return std::nullopt;
  return hit->second(Call{name, input, arguments, budget});
}

}  // namespace grpo::jinja
