/// Values of a template: what Python would hold, as far as chat templates go.
///
/// Lists, tuples and dicts never change once made (the sandbox forbids it), so they are shared. Only namespaces change.
/// Integers are int64; an overflow is a Failure. str() and repr() print as Python does.
#pragma once

#include "libgrpo/text/jinja_limits.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

namespace grpo::jinja {

struct Value;
struct ListData;
struct DictData;
struct StreamData;
struct NamespaceData;
struct LoopData;
struct FunctionData;
using Items = std::vector<Value>;

struct Undefined {
  std::shared_ptr<const std::string> why;  ///< shown when it is used
};
struct None {};
struct Text {
  std::shared_ptr<const std::string> bytes;  ///< valid UTF-8
  bool markup = false;                       ///< came through `safe` or `escape`: + escapes its other side
};
struct List {
  std::shared_ptr<const ListData> data;
  bool tuple = false;
};
using Dict = std::shared_ptr<const DictData>;
using Stream = std::shared_ptr<StreamData>;
using Namespace = std::shared_ptr<NamespaceData>;
using Loop = std::shared_ptr<LoopData>;
using Function = std::shared_ptr<const FunctionData>;

struct Value {
  std::variant<Undefined, None, bool, std::int64_t, double, Text, List, Dict, Stream, Namespace, Loop, Function> data;

  Value() = default;  ///< undefined
  Value(None none) : data(none) {}
  Value(bool value) : data(value) {}
  Value(std::int64_t value) : data(value) {}
  Value(double value) : data(value) {}
  Value(std::string text, bool markup = false) : data(Text{std::make_shared<const std::string>(std::move(text)), markup}) {}
  Value(std::string_view text) : Value(std::string(text)) {}
  Value(const char* text) : Value(std::string(text)) {}
  Value(List list) : data(std::move(list)) {}
  Value(Dict dict) : data(std::move(dict)) {}
  Value(Stream stream) : data(std::move(stream)) {}
  Value(Namespace space) : data(std::move(space)) {}
  Value(Loop loop) : data(std::move(loop)) {}
  Value(Function function) : data(std::move(function)) {}

  /// nullptr if it is something else
  template <class T>
  [[nodiscard]] const T* as() const {
    return std::get_if<T>(&data);
  }
  template <class T>
  [[nodiscard]] bool is() const {
    return std::holds_alternative<T>(data);
  }
  [[nodiscard]] const std::string* text() const { return is<Text>() ? as<Text>()->bytes.get() : nullptr; }
  [[nodiscard]] const Items* list() const;  ///< of a list or tuple
};

struct ListData {
  Items items;
  int depth = 1;
  bool group = false;  ///< a pair that groupby made: .grouper and .list name its halves
};

/// In order of insertion; 1, 1.0 and true are one key, as in Python.
struct DictData {
  std::vector<std::pair<Value, Value>> entries;
  int depth = 1;

  [[nodiscard]] const Value* find(const Value& key) const;  ///< throws: Failure for an unhashable key
  [[nodiscard]] const Value* find(std::string_view key) const;
  void set(const Value& key, Value value);

 private:
  std::unordered_map<std::string, std::size_t> index_;  ///< by hash_key(); empty while there are few entries
};

/// An iterator, a range or a dict view: all its items, and how many are gone.
struct StreamData {
  enum class Kind { generator, range, view };
  Kind kind = Kind::generator;
  std::string label;  ///< "dict_items", "range(0, 3)"
  Items items;
  std::size_t next = 0;              ///< a generator gives each item once
  std::int64_t start = 0, step = 1;  ///< of a range
  int depth = 1;
};

struct NamespaceData {
  DictData attributes;
};

/// Something that can be called; what it does is decided by the evaluator. `self` is the string of str.strip.
struct FunctionData {
  enum class Kind { global, method, macro };
  Kind kind = Kind::global;
  std::string name;
  Value self;
  std::shared_ptr<const void> macro;  ///< a Closure of the evaluator
};

Value undefined(std::string why);
Value make_list(Items items, bool tuple = false);  ///< throws: Failure if nested too deep
Value make_pair(Value first, Value second);
Value make_group(Value grouper, Value list);
Value make_dict(DictData dict);
Value make_stream(Items items, StreamData::Kind kind = StreamData::Kind::generator, std::string label = {});
/// range(start, stop, step). throws: Failure above kMaxRange items
Value make_range(std::int64_t start, std::int64_t stop, std::int64_t step, Budget& budget);
int depth_of(const Value& value);

/// Python's name of the type: "str", "dict", ...
std::string type_name(const Value& value);
bool truth(const Value& value);
/// Both print at most kMaxValueBytes.
std::string to_str(const Value& value, Budget& budget);
std::string to_repr(const Value& value, Budget& budget);
std::string float_repr(double value);

bool equals(const Value& a, const Value& b, Budget& budget);
/// Negative, 0 or positive. throws: Failure if Python has no order for the two
int compare(const Value& a, const Value& b, std::string_view operation, Budget& budget);
/// Equal keys have equal strings. throws: Failure if unhashable
std::string hash_key(const Value& value);

/// What a for loop sees; takes all that is left of a generator. throws: Failure if not iterable
Items iterate(const Value& value, Budget& budget);
/// len(). throws: Failure if it has none
std::int64_t length(const Value& value);

}  // namespace grpo::jinja
