// Filters on sequences: join, map, select and their kin.
#include "libgrpo/text/jinja_filters.hpp"
#include "libgrpo/text/jinja_operators.hpp"

#include <algorithm>

namespace grpo::jinja {

Value path_of(const Value& item, const Value& path, Budget& budget, const Value* preset) {
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

const DictData& mapping_of(const FilterCall& call) {
  if (call.input.is<Undefined>()) fail_undefined(call.input);
  const auto* dict = call.input.as<Dict>();
  if (!dict) throw Failure(std::string(call.name) + " needs a mapping, got " + type_name(call.input));
  return **dict;
}

namespace {

Value join_filter(const FilterCall& call) {
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

Value first_filter(const FilterCall& call) {
  if (const auto* stream = call.input.as<Stream>(); stream && (*stream)->kind == StreamData::Kind::generator) {
    StreamData& data = **stream;
    return data.next < data.items.size() ? data.items[data.next++] : undefined("no first item, the sequence is empty");
  }
  if (call.input.text() && !call.input.text()->empty()) return get_item(call.input, Value(std::int64_t{0}), call.budget);
  const Items items = iterate(call.input, call.budget);
  return items.empty() ? undefined("no first item, the sequence is empty") : items.front();
}

Value last_filter(const FilterCall& call) {
  if (const auto* stream = call.input.as<Stream>(); stream && (*stream)->kind == StreamData::Kind::generator) {
    throw Failure("a generator cannot be read from its end");
  }
  if (call.input.text() && !call.input.text()->empty()) return get_item(call.input, Value(std::int64_t{-1}), call.budget);
  const Items items = iterate(call.input, call.budget);
  return items.empty() ? undefined("no last item, the sequence is empty") : items.back();
}

Value list_filter(const FilterCall& call) { return make_list(iterate(call.input, call.budget)); }

Value reverse_filter(const FilterCall& call) {
  if (call.input.text()) return get_slice(call.input, None{}, None{}, Value(std::int64_t{-1}), call.budget);
  const auto* stream = call.input.as<Stream>();
  const bool generator = stream && (*stream)->kind == StreamData::Kind::generator;
  Items items = iterate(call.input, call.budget);
  std::reverse(items.begin(), items.end());
  return generator ? make_list(std::move(items)) : make_stream(std::move(items));
}

Value map_filter(const FilterCall& call) {
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
Value select_filter(const FilterCall& call) {
  if (!truth(call.input)) return make_stream({});
  const bool keep = call.name.substr(0, 6) == "select";
  const bool by_attribute = call.name.size() > 6;
  Arguments rest = call.arguments;
  const auto pop = [&] {
    Value front = rest.positional.front();
    rest.positional.erase(rest.positional.begin());
    return front;
  };
  if (by_attribute && rest.positional.empty()) throw Failure(std::string(call.name) + " needs the name of an attribute");
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

Value items_filter(const FilterCall& call) {
  Items out;
  if (!call.input.is<Undefined>()) {
    call.budget.take(mapping_of(call).entries.size() * sizeof(Value) * 4);
    for (const auto& [key, value] : mapping_of(call).entries) out.push_back(make_pair(key, value));
  }
  return make_stream(std::move(out));
}

Value sum_filter(const FilterCall& call) {
  const Bound bound("sum", call.arguments, {"attribute", "start"});
  Value total = bound.has(1) ? bound[1] : Value(std::int64_t{0});
  if (total.text()) throw Failure("sum cannot add strings, use join");
  for (const Value& item : iterate(call.input, call.budget)) {
    total = arithmetic("+", total, bound.some(0) ? path_of(item, bound[0], call.budget) : item, call.budget);
  }
  return total;
}

Value batch_filter(const FilterCall& call) {
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

/// `slices` lists of about the same length, the longer ones first.
Value slice_filter(const FilterCall& call) {
  const Bound bound("slice", call.arguments, {"slices", "fill_with"}, 1);
  const std::int64_t slices = bound.integer(0, 1);
  const Items items = iterate(call.input, call.budget);
  if (slices == 0) throw Failure("slice: division by zero");
  if (slices > kMaxRange) throw Failure("slice: more slices than the limit");
  Items out;
  std::size_t begin = 0;
  const auto count = static_cast<std::size_t>(std::max<std::int64_t>(slices, 0));
  call.budget.take(count * sizeof(Value));
  for (std::size_t i = 0; i < count; ++i) {
    const bool longer = i < items.size() % count;
    const std::size_t end = begin + items.size() / count + (longer ? 1 : 0);
    Items part(items.begin() + static_cast<std::ptrdiff_t>(begin), items.begin() + static_cast<std::ptrdiff_t>(end));
    if (bound.some(1) && !longer) part.push_back(bound[1]);
    out.push_back(make_list(std::move(part)));
    begin = end;
  }
  return make_stream(std::move(out));
}

}  // namespace

const FilterTable& sequence_filters() {
  static const FilterTable table = {
      {"batch", batch_filter},   {"first", first_filter},       {"items", items_filter}, {"join", join_filter},
      {"last", last_filter},     {"list", list_filter},         {"map", map_filter},     {"reject", select_filter},
      {"select", select_filter}, {"rejectattr", select_filter}, {"slice", slice_filter}, {"selectattr", select_filter},
      {"sum", sum_filter},       {"reverse", reverse_filter},
  };
  return table;
}

}  // namespace grpo::jinja
