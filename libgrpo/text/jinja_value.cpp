#include "libgrpo/text/jinja_value.hpp"

#include "libgrpo/text/jinja_loop.hpp"
#include "libgrpo/text/jinja_unicode.hpp"

#include <algorithm>

namespace grpo::jinja {
namespace {

constexpr std::size_t kFewEntries = 8;  // a scan is faster than a hash up to here

template <class... F>
struct Overload : F... {
  using F::operator()...;
};
template <class... F>
Overload(F...) -> Overload<F...>;

int checked_depth(int depth) {
  if (depth > kMaxNesting) throw Failure("data nested deeper than " + std::to_string(kMaxNesting) + " levels");
  return depth;
}

int depth_of_items(const Items& items) {
  int depth = 0;
  for (const Value& item : items) depth = std::max(depth, depth_of(item));
  return checked_depth(depth + 1);
}

bool same_key(const Value& a, const Value& b) {
  if (a.text() && b.text()) return *a.text() == *b.text();
  return hash_key(a) == hash_key(b);
}

}  // namespace

const Items* Value::list() const { return is<List>() ? &as<List>()->data->items : nullptr; }

const Value* DictData::find(const Value& key) const {
  if (entries.size() > kFewEntries) {
    const auto hit = index_.find(hash_key(key));
    return hit == index_.end() ? nullptr : &entries[hit->second].second;
  }
  if (!key.text()) static_cast<void>(hash_key(key));  // complains about a list even if there is nothing to compare with
  for (const auto& [name, value] : entries) {
    if (same_key(name, key)) return &value;
  }
  return nullptr;
}

const Value* DictData::find(std::string_view key) const {
  if (entries.size() > kFewEntries) return find(Value(key));
  for (const auto& [name, value] : entries) {
    if (name.text() && *name.text() == key) return &value;
  }
  return nullptr;
}

void DictData::set(const Value& key, Value value) {
  depth = std::max(depth, checked_depth(1 + std::max(depth_of(key), depth_of(value))));
  if (const Value* old = find(key)) {
    const_cast<Value&>(*old) = std::move(value);  // ours, and we are not const here
    return;
  }
  entries.emplace_back(key, std::move(value));
  if (entries.size() <= kFewEntries) return;
  for (std::size_t i = index_.size(); i < entries.size(); ++i) index_.emplace(hash_key(entries[i].first), i);
}

Value undefined(std::string why) {
  Value value;
  value.data = Undefined{std::make_shared<const std::string>(std::move(why))};
  return value;
}

Value make_list(Items items, bool tuple) {
  const int depth = depth_of_items(items);
  return List{std::make_shared<const ListData>(ListData{std::move(items), depth}), tuple};
}

Value make_pair(Value first, Value second) {
  Items items;
  items.push_back(std::move(first));
  items.push_back(std::move(second));
  return make_list(std::move(items), true);
}

Value make_group(Value grouper, Value list) {
  const Value pair = make_pair(std::move(grouper), std::move(list));
  return List{std::make_shared<const ListData>(ListData{*pair.list(), depth_of(pair), true}), true};
}

Value make_dict(DictData dict) { return Dict(std::make_shared<const DictData>(std::move(dict))); }

Value make_stream(Items items, StreamData::Kind kind, std::string label) {
  auto stream = std::make_shared<StreamData>();
  stream->depth = depth_of_items(items);
  stream->kind = kind;
  stream->label = std::move(label);
  stream->items = std::move(items);
  return stream;
}

Value make_range(std::int64_t start, std::int64_t stop, std::int64_t step, Budget& budget) {
  std::string label = "range(" + std::to_string(start) + ", " + std::to_string(stop);
  label += step != 1 ? ", " + std::to_string(step) + ")" : ")";
  Items items;
  for (std::int64_t i = start; step > 0 ? i < stop : i > stop;) {
    if (static_cast<std::int64_t>(items.size()) >= kMaxRange) {
      throw Failure(label + " has more than " + std::to_string(kMaxRange) + " items");
    }
    items.emplace_back(i);
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  budget.take(items.size() * sizeof(Value));
  Value made = make_stream(std::move(items), StreamData::Kind::range, std::move(label));
  (*made.as<Stream>())->start = start;
  (*made.as<Stream>())->step = step;
  return made;
}

int depth_of(const Value& value) {
  if (const auto* list = value.as<List>()) return list->data->depth;
  if (const auto* dict = value.as<Dict>()) return (*dict)->depth;
  if (const auto* stream = value.as<Stream>()) return (*stream)->depth;
  if (const auto* loop = value.as<Loop>()) return (*loop)->depth;
  if (const auto* function = value.as<Function>()) return checked_depth(1 + depth_of((*function)->self));
  return 0;  // namespaces are taken apart one by one at the end of a rendering
}

std::string type_name(const Value& value) {
  return std::visit(
      Overload{[](const Undefined&) -> std::string { return "Undefined"; }, [](const None&) -> std::string { return "NoneType"; },
               [](bool) -> std::string { return "bool"; }, [](std::int64_t) -> std::string { return "int"; },
               [](double) -> std::string { return "float"; }, [](const Text&) -> std::string { return "str"; },
               [](const List& list) -> std::string { return list.tuple ? "tuple" : "list"; },
               [](const Dict&) -> std::string { return "dict"; },
               [](const Stream& stream) -> std::string {
                 if (stream->kind == StreamData::Kind::generator) return "generator";
                 return stream->kind == StreamData::Kind::range ? "range" : stream->label;
               },
               [](const Namespace&) -> std::string { return "Namespace"; }, [](const Loop&) -> std::string { return "LoopContext"; },
               [](const Function& function) -> std::string { return function->kind == FunctionData::Kind::macro ? "Macro" : "function"; }},
      value.data);
}

bool truth(const Value& value) {
  return std::visit(
      Overload{[](const Undefined&) { return false; }, [](const None&) { return false; }, [](bool b) { return b; },
               [](std::int64_t i) { return i != 0; }, [](double d) { return d != 0; },
               [](const Text& text) { return !text.bytes->empty(); }, [](const List& list) { return !list.data->items.empty(); },
               [](const Dict& dict) { return !dict->entries.empty(); },
               [](const Stream& stream) { return stream->kind == StreamData::Kind::generator || !stream->items.empty(); },
               [](const auto&) { return true; }},
      value.data);
}

Items iterate(const Value& value, Budget& budget) {
  Items items;
  if (const Items* list = value.list()) {
    budget.take(list->size() * sizeof(Value));
    return *list;
  }
  if (const std::string* text = value.text()) {
    budget.take(text->size() * sizeof(Value));
    for (std::size_t at = 0; at < text->size();) {
      const std::size_t start = at;
      decode_utf8(*text, at);
      items.emplace_back(text->substr(start, at - start));
    }
    return items;
  }
  if (const auto* dict = value.as<Dict>()) {
    budget.take((*dict)->entries.size() * sizeof(Value));
    for (const auto& [key, unused] : (*dict)->entries) items.push_back(key);
    return items;
  }
  if (const auto* stream = value.as<Stream>()) {
    StreamData& data = **stream;
    budget.take(data.items.size() * sizeof(Value));
    items.assign(data.items.begin() + static_cast<std::ptrdiff_t>(data.next), data.items.end());
    if (data.kind == StreamData::Kind::generator) data.next = data.items.size();
    return items;
  }
  if (value.is<Undefined>()) return items;
  throw Failure("'" + type_name(value) + "' object is not iterable");
}

std::int64_t length(const Value& value) {
  if (const Items* list = value.list()) return static_cast<std::int64_t>(list->size());
  if (const std::string* text = value.text()) return code_points(*text);
  if (const auto* dict = value.as<Dict>()) return static_cast<std::int64_t>((*dict)->entries.size());
  if (const auto* stream = value.as<Stream>(); stream && (*stream)->kind != StreamData::Kind::generator) {
    return static_cast<std::int64_t>((*stream)->items.size());
  }
  if (const auto* loop = value.as<Loop>()) return (*loop)->length();
  if (value.is<Undefined>()) return 0;
  throw Failure("object of type '" + type_name(value) + "' has no length");
}

}  // namespace grpo::jinja
