// value.name, value[key] and value[start:stop:step].
#include "libgrpo/text/jinja_builtins.hpp"
#include "libgrpo/text/jinja_operators.hpp"
#include "libgrpo/text/jinja_unicode.hpp"

#include <algorithm>

namespace grpo::jinja {
namespace {

/// An int or a bool.
const std::int64_t* as_integer(const Value& value, std::int64_t& storage) {
  if (const auto* b = value.as<bool>()) return storage = *b ? 1 : 0, &storage;
  if (const auto* i = value.as<std::int64_t>()) return storage = *i, &storage;
  return nullptr;
}

Value missing(const Value& value, const Value& key, Budget& budget) {
  const bool by_name = key.text() != nullptr;
  return undefined("'" + type_name(value) + "' object has no " + (by_name ? "attribute " : "element ") +
                   to_repr(key, budget).substr(0, 100));
}

/// A method, or undefined with the reason if the sandbox forbids it; false if there is no such attribute.
bool find_method(const Value& value, std::string_view name, Value& result) {
  if (name.substr(0, 2) == "__" || is_changing_method(value, name)) {
    result = undefined("access to attribute '" + std::string(name) + "' of '" + type_name(value) + "' object is unsafe");
    return true;
  }
  if (!is_method(value, name)) return false;
  auto function = std::make_shared<FunctionData>();
  function->kind = FunctionData::Kind::method;
  function->name = name;
  function->self = value;
  static_cast<void>(depth_of(Value(Function(function))));
  result = Value(Function(std::move(function)));
  return true;
}

Value slice_of_range(const StreamData& range, std::int64_t first, std::int64_t last, std::int64_t stride, Budget& budget) {
  std::int64_t step = 0;
  if (__builtin_mul_overflow(range.step, stride, &step)) throw Failure("integer overflow: values are limited to 64 bits");
  return make_range(range.start + first * range.step, range.start + last * range.step, step, budget);
}

}  // namespace

Value get_attribute(const Value& value, std::string_view name, Budget& budget) {
  if (value.is<Undefined>()) fail_undefined(value);
  Value result;
  if (const auto* loop = value.as<Loop>(); loop && loop_attribute(**loop, name, result)) return result;
  if (const auto* space = value.as<Namespace>()) {
    const Value* found = (*space)->attributes.find(name);
    return found ? *found : missing(value, Value(name), budget);
  }
  if (const auto* list = value.as<List>(); list && list->data->group) {
    if (name == "grouper" || name == "list") return (*value.list())[name == "list" ? 1 : 0];
  }
  if (find_method(value, name, result)) return result;
  if (const auto* dict = value.as<Dict>()) {
    if (const Value* found = (*dict)->find(name)) return *found;
  }
  return missing(value, Value(name), budget);
}

Value get_item(const Value& value, const Value& key, Budget& budget) {
  if (value.is<Undefined>()) fail_undefined(value);
  if (const auto* dict = value.as<Dict>()) {
    if (key.text()) budget.look(key.text()->size() * 8);
    if (!key.is<List>() || key.as<List>()->tuple) {
      if (!key.is<Dict>()) {
        if (const Value* found = (*dict)->find(key)) return *found;
      }
    }
  }
  std::int64_t storage = 0;
  const std::int64_t* index = as_integer(key, storage);
  const auto* stream = value.as<Stream>();
  const bool is_range = stream && (*stream)->kind == StreamData::Kind::range;
  if (index && (value.text() || value.list() || is_range)) {
    const std::int64_t size = length(value);
    const std::int64_t at = *index < 0 ? *index + size : *index;
    if (at < 0 || at >= size) return missing(value, key, budget);
    const auto position = static_cast<std::size_t>(at);
    if (const Items* items = value.list()) return (*items)[position];
    if (is_range) return (*stream)->items[position];
    return get_slice(value, Value(at), Value(at + 1), Value(None{}), budget);
  }
  if (const std::string* name = key.text()) {
    if (value.is<Dict>()) {
      Value result;
      return find_method(value, *name, result) ? result : missing(value, key, budget);
    }
    return get_attribute(value, *name, budget);
  }
  return missing(value, key, budget);
}

Value get_slice(const Value& value, const Value& start, const Value& stop, const Value& step, Budget& budget) {
  if (value.is<Undefined>()) fail_undefined(value);
  const auto* stream = value.as<Stream>();
  const bool is_range = stream && (*stream)->kind == StreamData::Kind::range;
  if (!value.text() && !value.list() && !is_range) return undefined("'" + type_name(value) + "' object has no slices");
  const auto part = [](const Value& given, std::int64_t preset) {
    std::int64_t storage = 0;
    if (given.is<None>()) return preset;
    if (const auto* i = as_integer(given, storage)) return *i;
    throw Failure("slice indices must be integers or None, not " + type_name(given));
  };
  const std::int64_t size = length(value);
  const std::int64_t stride = part(step, 1);
  if (stride == 0) throw Failure("slice step cannot be zero");
  const std::int64_t lowest = stride > 0 ? 0 : -1;
  const std::int64_t highest = stride > 0 ? size : size - 1;
  const auto bound = [&](const Value& given, std::int64_t preset) {
    std::int64_t at = part(given, preset);
    if (given.is<None>()) return preset;
    if (at < 0) at += size;
    return std::clamp(at, lowest, highest);
  };
  const std::int64_t first = bound(start, stride > 0 ? 0 : size - 1);
  const std::int64_t last = bound(stop, stride > 0 ? size : -1);
  std::vector<std::size_t> picked;
  for (std::int64_t i = first; stride > 0 ? i < last : i > last;) {
    picked.push_back(static_cast<std::size_t>(i));
    if (__builtin_add_overflow(i, stride, &i)) break;
  }
  if (const std::string* text = value.text()) {
    budget.take(text->size());
    std::string out;
    if (is_ascii(*text)) {
      for (const std::size_t i : picked) out += (*text)[i];
    } else {
      const std::vector<std::size_t> offsets = code_point_offsets(*text);
      for (const std::size_t i : picked) out.append(*text, offsets[i], offsets[i + 1] - offsets[i]);
    }
    return Value(std::move(out), value.as<Text>()->markup);
  }
  if (is_range) return slice_of_range(**stream, first, last, stride, budget);
  budget.take(picked.size() * sizeof(Value));
  Items items;
  for (const std::size_t i : picked) items.push_back((*value.list())[i]);
  return make_list(std::move(items), value.as<List>()->tuple);
}

}  // namespace grpo::jinja
