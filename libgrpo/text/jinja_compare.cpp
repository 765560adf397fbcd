// Equality, order and hashing of values, as in Python.
#include "libgrpo/text/jinja_value.hpp"

#include <algorithm>
#include <cmath>

namespace grpo::jinja {

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

}  // namespace grpo::jinja
