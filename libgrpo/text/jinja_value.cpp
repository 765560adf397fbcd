#include "libgrpo/text/jinja_value.hpp"

#include "libgrpo/text/jinja_loop.hpp"
#include "libgrpo/text/jinja_unicode.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

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

Value make_dict(DictData dict) { return Dict(std::make_shared<const DictData>(std::move(dict))); }

Value make_stream(Items items, StreamData::Kind kind, std::string label) {
  auto stream = std::make_shared<StreamData>();
  stream->depth = depth_of_items(items);
  stream->kind = kind;
  stream->label = std::move(label);
  stream->items = std::move(items);
  return stream;
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
      Overload{[](const Undefined&) -> std::string { return "Undefined"; },
               [](const None&) -> std::string { return "NoneType"; }, [](bool) -> std::string { return "bool"; },
               [](std::int64_t) -> std::string { return "int"; }, [](double) -> std::string { return "float"; },
               [](const Text&) -> std::string { return "str"; },
               [](const List& list) -> std::string { return list.tuple ? "tuple" : "list"; },
               [](const Dict&) -> std::string { return "dict"; },
               [](const Stream& stream) -> std::string {
                 if (stream->kind == StreamData::Kind::generator) return "generator";
                 return stream->kind == StreamData::Kind::range ? "range" : stream->label;
               },
               [](const Namespace&) -> std::string { return "Namespace"; },
               [](const Loop&) -> std::string { return "LoopContext"; },
               [](const Function& function) -> std::string {
                 return function->kind == FunctionData::Kind::macro ? "Macro" : "function";
               }},
      value.data);
}

bool truth(const Value& value) {
  return std::visit(Overload{[](const Undefined&) { return false; }, [](const None&) { return false; },
                             [](bool b) { return b; }, [](std::int64_t i) { return i != 0; },
                             [](double d) { return d != 0; }, [](const Text& text) { return !text.bytes->empty(); },
                             [](const List& list) { return !list.data->items.empty(); },
                             [](const Dict& dict) { return !dict->entries.empty(); },
                             [](const Stream& stream) {
                               return stream->kind == StreamData::Kind::generator || !stream->items.empty();
                             },
                             [](const auto&) { return true; }},
                    value.data);
}

namespace {

bool as_number(const Value& value, long double& number) {
  if (const auto* b = value.as<bool>()) return number = *b ? 1 : 0, true;
  if (const auto* i = value.as<std::int64_t>()) return number = static_cast<long double>(*i), true;
  if (const auto* d = value.as<double>()) return number = *d, true;
  return false;
}

}  // namespace

bool equals(const Value& a, const Value& b, Budget& budget) {
  budget.step();
  long double x = 0;
  long double y = 0;
  if (as_number(a, x) && as_number(b, y)) return x == y;
  if (a.text() && b.text()) {
    if (a.text()->size() != b.text()->size()) return false;
    budget.look(a.text()->size());
    return *a.text() == *b.text();
  }
  if (a.data.index() != b.data.index()) return false;
  if (const Items* left = a.list()) {
    const Items* right = b.list();
    if (a.as<List>()->tuple != b.as<List>()->tuple || left->size() != right->size()) return false;
    for (std::size_t i = 0; i < left->size(); ++i) {
      if (!equals((*left)[i], (*right)[i], budget)) return false;
    }
    return true;
  }
  if (const auto* left = a.as<Dict>()) {
    const Dict& right = *b.as<Dict>();
    if ((*left)->entries.size() != right->entries.size()) return false;
    for (const auto& [key, value] : (*left)->entries) {
      const Value* other = right->find(key);
      if (!other || !equals(value, *other, budget)) return false;
    }
    return true;
  }
  if (const auto* left = a.as<Stream>()) {
    const Stream& right = *b.as<Stream>();
    if (*left == right) return true;
    if ((*left)->kind == StreamData::Kind::generator || (*left)->kind != right->kind) return false;
    return equals(make_list((*left)->items), make_list(right->items), budget);
  }
  if (const auto* space = a.as<Namespace>()) return *space == *b.as<Namespace>();
  if (const auto* loop = a.as<Loop>()) return *loop == *b.as<Loop>();
  if (const auto* function = a.as<Function>()) return *function == *b.as<Function>();
  return true;  // none and none, undefined and undefined
}

int compare(const Value& a, const Value& b, std::string_view operation, Budget& budget) {
  budget.step();
  if (a.is<Undefined>() || b.is<Undefined>()) {
    const auto& why = (a.is<Undefined>() ? a : b).as<Undefined>()->why;
    throw Failure(why ? *why : "an undefined value has no order");
  }
  long double x = 0;
  long double y = 0;
  if (as_number(a, x) && as_number(b, y)) return x < y ? -1 : x > y ? 1 : 0;
  if (a.text() && b.text()) {
    budget.look(std::min(a.text()->size(), b.text()->size()));
    return a.text()->compare(*b.text());  // the byte order of UTF-8 is the order of code points
  }
  if (a.list() && b.list() && a.as<List>()->tuple == b.as<List>()->tuple) {
    const Items& left = *a.list();
    const Items& right = *b.list();
    for (std::size_t i = 0; i < std::min(left.size(), right.size()); ++i) {
      if (!equals(left[i], right[i], budget)) return compare(left[i], right[i], operation, budget);
    }
    return left.size() < right.size() ? -1 : left.size() > right.size() ? 1 : 0;
  }
  throw Failure("'" + std::string(operation) + "' is not supported between " + type_name(a) + " and " + type_name(b));
}

std::string hash_key(const Value& value) {
  if (const std::string* text = value.text()) return "s" + *text;
  long double number = 0;
  if (as_number(value, number)) {
    if (const auto* d = value.as<double>(); d && (*d != std::floor(*d) || std::fabs(*d) >= 9e18)) {
      return "f" + float_repr(*d);
    }
    return "i" + std::to_string(static_cast<std::int64_t>(number));
  }
  if (value.is<None>()) return "n";
  if (value.is<Undefined>()) return "u";
  if (const Items* items = value.list(); items && value.as<List>()->tuple) {
    std::string key = "t";
    for (const Value& item : *items) {
      const std::string part = hash_key(item);
      key += std::to_string(part.size()) + ":" + part;
      if (key.size() > kMaxValueBytes) throw Failure("a key is too long");
    }
    return key;
  }
  if (value.is<List>() || value.is<Dict>()) throw Failure("unhashable type: '" + type_name(value) + "'");
  // Everything else is equal to itself only; whoever keeps the key keeps the object too.
  const void* address = nullptr;
  if (const auto* stream = value.as<Stream>()) address = stream->get();
  if (const auto* space = value.as<Namespace>()) address = space->get();
  if (const auto* loop = value.as<Loop>()) address = loop->get();
  if (const auto* function = value.as<Function>()) address = function->get();
  return "p" + std::to_string(reinterpret_cast<std::uintptr_t>(address));
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
