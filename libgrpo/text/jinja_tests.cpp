// The tests behind `is`.
#include "libgrpo/text/jinja_builtins.hpp"
#include "libgrpo/text/jinja_operators.hpp"
#include "libgrpo/text/jinja_unicode.hpp"

#include <map>

namespace grpo::jinja {
namespace {

struct Call {
  std::string_view name;
  const Value& input;
  const Arguments& arguments;
  Budget& budget;
};

bool is_number(const Value& value) { return value.is<std::int64_t>() || value.is<double>() || value.is<bool>(); }

/// The operators under all their names.
bool order_test(const Call& call) {
  static const std::map<std::string_view, std::string_view> kOperators = {
      {"==", "=="}, {"eq", "=="}, {"equalto", "=="}, {"!=", "!="}, {"ne", "!="},      {">", ">"},   {"gt", ">"},  {"greaterthan", ">"},
      {"ge", ">="}, {">=", ">="}, {"<", "<"},        {"lt", "<"},  {"lessthan", "<"}, {"<=", "<="}, {"le", "<="},
  };
  const Bound bound(call.name, call.arguments, {""}, 1);
  return compared(kOperators.at(call.name), call.input, bound[0], call.budget);
}

bool remainder_is(const Call& call, std::int64_t divisor, std::int64_t rest) {
  const Value result = arithmetic("%", call.input, Value(divisor), call.budget);
  return equals(result, Value(rest), call.budget);
}

bool divisible_test(const Call& call) {
  const Bound bound("divisibleby", call.arguments, {"num"}, 1);
  return equals(arithmetic("%", call.input, bound[0], call.budget), Value(std::int64_t{0}), call.budget);
}

bool iterable_test(const Call& call) {
  const Value& value = call.input;
  return value.text() || value.list() || value.is<Dict>() || value.is<Stream>() || value.is<Undefined>() || value.is<Loop>();
}

bool sequence_test(const Call& call) {
  const Value& value = call.input;
  if (const auto* stream = value.as<Stream>()) return (*stream)->kind == StreamData::Kind::range;
  return value.text() || value.list() || value.is<Dict>() || value.is<Undefined>();
}

bool same_test(const Call& call) {
  const Bound bound("sameas", call.arguments, {"other"}, 1);
  const Value& a = call.input;
  const Value& b = bound[0];
  if (a.data.index() != b.data.index()) return false;
  if (a.list()) return a.list() == b.list();
  if (a.is<Dict>()) return *a.as<Dict>() == *b.as<Dict>();
  return equals(a, b, call.budget);
}

/// At least one character with case, and none of the other case.
bool case_test(const Call& call) {
  const std::string text = to_str(call.input, call.budget);
  call.budget.take(text.size());
  bool any = false;
  for (std::size_t at = 0; at < text.size();) {
    const char32_t c = decode_utf8(text, at);
    if (call.name == "lower" ? is_upper(c) : is_lower(c)) return false;
    any = any || (call.name == "lower" ? is_lower(c) : is_upper(c));
  }
  return any;
}

/// Python looks the value up as a key.
bool names_one(const Call& call, bool (*exists)(std::string_view)) {
  static_cast<void>(hash_key(call.input));
  return call.input.text() && exists(*call.input.text());
}

using Test = bool (*)(const Call&);

const std::map<std::string_view, Test>& tests() {
  static const std::map<std::string_view, Test> table = {
      {"boolean", [](const Call& call) { return call.input.is<bool>(); }},
      {"callable", [](const Call& call) { return call.input.is<Function>() || call.input.is<Undefined>(); }},
      {"defined", [](const Call& call) { return !call.input.is<Undefined>(); }},
      {"divisibleby", divisible_test},
      {"escaped", [](const Call& call) { return call.input.is<Text>() && call.input.as<Text>()->markup; }},
      {"even", [](const Call& call) { return remainder_is(call, 2, 0); }},
      {"filter", [](const Call& call) { return names_one(call, is_filter); }},
      {"test", [](const Call& call) { return names_one(call, is_test); }},
      {"false", [](const Call& call) { return call.input.is<bool>() && !*call.input.as<bool>(); }},
      {"float", [](const Call& call) { return call.input.is<double>(); }},
      {"in",
       [](const Call& call) {
         const Bound bound("in", call.arguments, {"seq"}, 1);
         return contains(bound[0], call.input, call.budget);
       }},
      {"integer", [](const Call& call) { return call.input.is<std::int64_t>(); }},
      {"iterable", iterable_test},
      {"lower", case_test},
      {"mapping", [](const Call& call) { return call.input.is<Dict>(); }},
      {"none", [](const Call& call) { return call.input.is<None>(); }},
      {"number", [](const Call& call) { return is_number(call.input); }},
      {"odd", [](const Call& call) { return remainder_is(call, 2, 1); }},
      {"sameas", same_test},
      {"sequence", sequence_test},
      {"string", [](const Call& call) { return call.input.is<Text>(); }},
      {"true", [](const Call& call) { return call.input.is<bool>() && *call.input.as<bool>(); }},
      {"undefined", [](const Call& call) { return call.input.is<Undefined>(); }},
      {"upper", case_test},
  };
  return table;
}

bool is_order(std::string_view name) {
  for (const std::string_view one :
       {"==", "eq", "equalto", "!=", "ne", ">", "gt", "greaterthan", "ge", ">=", "<", "lt", "lessthan", "<=", "le"}) {
    if (name == one) return true;
  }
  return false;
}

}  // namespace

bool is_test(std::string_view name) { return is_order(name) || tests().count(name) > 0; }

bool apply_test(std::string_view name, const Value& input, const Arguments& arguments, Budget& budget) {
  budget.step();
  const Call call{name, input, arguments, budget};
  if (is_order(name)) return order_test(call);
  const auto hit = tests().find(name);
  if (hit == tests().end()) throw Failure("unknown or unsupported test '" + std::string(name) + "'");
  const bool takes_argument = name == "divisibleby" || name == "in" || name == "sameas";
  if (!takes_argument) static_cast<void>(Bound(name, arguments, {}));
  return hit->second(call);
}

}  // namespace grpo::jinja
