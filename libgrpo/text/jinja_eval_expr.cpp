// Expressions and calls of the evaluator.
#include "libgrpo/text/jinja_eval.hpp"
#include "libgrpo/text/jinja_operators.hpp"

#include <algorithm>
#include <utility>

namespace grpo::jinja {

/// Counts nested evaluations, so that deep trees and macros cannot exhaust the stack.
class Evaluator::Depth {
 public:
  explicit Depth(int& depth, int limit, const char* what) : depth_(depth) {
    if (depth_ >= limit) throw Failure(std::string(what) + " nested deeper than " + std::to_string(limit) + " levels");
    ++depth_;
  }
  ~Depth() { --depth_; }
  Depth(const Depth&) = delete;
  Depth& operator=(const Depth&) = delete;

 private:
  int& depth_;
};

Value Evaluator::eval(const Expr& node) {
  const Depth depth(depth_, kMaxEvalDepth, "expressions");
  budget_.step();
  switch (node.kind) {
    case ExprKind::constant: return node.value;
    case ExprKind::name: return eval_name(node);
    case ExprKind::list:
    case ExprKind::tuple:
    case ExprKind::dict: return eval_literal(node);
    case ExprKind::attribute: {
      const Value object = eval(*node.items[0]);
      place_ = node.place;
      return get_attribute(object, node.name, budget_);
    }
    case ExprKind::subscript: return eval_subscript(node);
    case ExprKind::call: return eval_call(node);
    case ExprKind::filter: {
      const Value input = node.items[0] ? eval(*node.items[0]) : filter_input_;
      const Arguments arguments = eval_arguments(node.arguments);
      place_ = node.place;
      return apply_filter(node.name, input, arguments, budget_);
    }
    case ExprKind::test: {
      const Value input = eval(*node.items[0]);
      const Arguments arguments = eval_arguments(node.arguments);
      place_ = node.place;
      return apply_test(node.name, input, arguments, budget_);
    }
    case ExprKind::negate: return !truth(eval(*node.items[0]));
    case ExprKind::both: {
      Value left = eval(*node.items[0]);
      return truth(left) ? eval(*node.items[1]) : std::move(left);
    }
    case ExprKind::either: {
      Value left = eval(*node.items[0]);
      return truth(left) ? std::move(left) : eval(*node.items[1]);
    }
    case ExprKind::comparison: return eval_comparison(node);
    case ExprKind::unary: {
      const Value value = eval(*node.items[0]);
      place_ = node.place;
      return unary(node.name, value);
    }
    case ExprKind::arithmetic: {
      const Value left = eval(*node.items[0]);
      const Value right = eval(*node.items[1]);
      place_ = node.place;
      return arithmetic(node.name, left, right, budget_);
    }
    case ExprKind::concatenate: return eval_concatenation(node);
    case ExprKind::condition:
      if (truth(eval(*node.items[1]))) return eval(*node.items[0]);
      return node.items[2] ? eval(*node.items[2]) : undefined("the inline if is false and has no else");
    case ExprKind::slice:
    case ExprKind::reference: break;
  }
  throw Failure("a slice is possible only inside [ ]");
}

Value Evaluator::eval_name(const Expr& node) {
  for (const Scope* scope = scope_.get(); scope; scope = scope->parent.get()) {
    const auto hit = scope->values.find(node.name);
    if (hit != scope->values.end()) return hit->second;
  }
  if (const Value* value = variables_.find(std::string_view(node.name))) return *value;
  if (is_global(node.name)) {
    auto function = std::make_shared<FunctionData>();
    function->name = node.name;
    function->self = Value(None{});
    return Value(Function(std::move(function)));
  }
  return undefined("'" + node.name + "' is undefined");
}

Value Evaluator::eval_literal(const Expr& node) {
  budget_.take(node.items.size() * sizeof(Value) + 64);
  if (node.kind == ExprKind::dict) {
    DictData dict;
    for (std::size_t i = 0; i + 1 < node.items.size(); i += 2) {
      const Value key = eval(*node.items[i]);
      dict.set(key, eval(*node.items[i + 1]));
    }
    return make_dict(std::move(dict));
  }
  Items items;
  for (const ExprPtr& item : node.items) items.push_back(eval(*item));
  return make_list(std::move(items), node.kind == ExprKind::tuple);
}

Value Evaluator::eval_subscript(const Expr& node) {
  const Value object = eval(*node.items[0]);
  const Expr& index = *node.items[1];
  if (index.kind == ExprKind::slice) {
    const auto part = [&](std::size_t i) { return index.items[i] ? eval(*index.items[i]) : Value(None{}); };
    const Value start = part(0);
    const Value stop = part(1);
    const Value step = part(2);
    place_ = node.place;
    return get_slice(object, start, stop, step, budget_);
  }
  const Value key = eval(index);
  place_ = node.place;
  return get_item(object, key, budget_);
}

Value Evaluator::eval_comparison(const Expr& node) {
  Value left = eval(*node.items[0]);
  for (std::size_t i = 0; i < node.operators.size(); ++i) {
    Value right = eval(*node.items[i + 1]);
    place_ = node.place;
    if (!compared(node.operators[i], left, right, budget_)) return false;
    left = std::move(right);
  }
  return true;
}

Value Evaluator::eval_concatenation(const Expr& node) {
  std::string out;
  for (const ExprPtr& item : node.items) {
    const std::string text = to_str(eval(*item), budget_);
    place_ = node.place;
    budget_.take(out.size() + text.size());
    out += text;
  }
  return Value(std::move(out));
}

/// Text through "|a|b" of a filter block or a block assignment.
Value Evaluator::through_filters(const Expr* node, Value text) {
  if (!node) return text;
  Value saved = std::exchange(filter_input_, std::move(text));
  Value result = eval(*node);
  filter_input_ = std::move(saved);
  return result;
}

Arguments Evaluator::eval_arguments(const CallArguments& given) {
  Arguments arguments;
  for (const ExprPtr& item : given.positional) arguments.positional.push_back(eval(*item));
  for (const auto& [name, item] : given.named) arguments.named.emplace_back(name, eval(*item));
  if (given.star) {
    for (Value& item : iterate(eval(*given.star), budget_)) arguments.positional.push_back(std::move(item));
  }
  if (given.star_star) {
    const Value mapping = eval(*given.star_star);
    const auto* dict = mapping.as<Dict>();
    if (!dict) throw Failure("** needs a mapping, got " + type_name(mapping));
    for (const auto& [key, value] : (*dict)->entries) {
      if (!key.text()) throw Failure("names of arguments must be strings");
      arguments.named.emplace_back(*key.text(), value);
    }
  }
  return arguments;
}

Value Evaluator::eval_call(const Expr& node) {
  const Value function = eval(*node.items[0]);
  const Arguments arguments = eval_arguments(node.arguments);
  place_ = node.place;
  return call(function, arguments);
}

Value Evaluator::call(const Value& function, const Arguments& arguments) {
  if (function.is<Undefined>()) fail_undefined(function);
  if (const auto* loop = function.as<Loop>()) return call_loop(*loop, arguments);
  const auto* data = function.as<Function>();
  if (!data) throw Failure("a value of type " + type_name(function) + " cannot be called");
  switch ((*data)->kind) {
    case FunctionData::Kind::method: return call_method((*data)->self, (*data)->name, arguments, budget_);
    case FunctionData::Kind::macro: return call_macro(**data, arguments);
    case FunctionData::Kind::global: break;
  }
  if ((*data)->name == "namespace") return make_namespace(arguments);
  if ((*data)->name == "strftime_now") return strftime_now(arguments, now_);
  return call_global((*data)->name, arguments, budget_);
}

Value Evaluator::make_namespace(const Arguments& arguments) {
  budget_.take(512);
  auto space = std::make_shared<NamespaceData>();
  space->attributes = build_dict(arguments, budget_);
  for (const auto& [key, value] : space->attributes.entries) {
    if (key.text() && !key.text()->empty() && (*key.text())[0] == '_') {
      throw Failure("attributes of a namespace must not begin with _");
    }
  }
  namespaces_.push_back(space);
  return Value(Namespace(std::move(space)));
}

Value Evaluator::call_loop(const Loop& loop, const Arguments& arguments) {
  const Depth depth(macro_depth_, kMaxMacroDepth, "recursive loops");
  const Bound bound("loop", arguments, {"iterable"}, 1);
  if (!loop->again) throw Failure("the loop is not marked as recursive, or is over");
  std::string text = loop->again(bound[0]);
  budget_.take(text.size() + 256);
  return Value(std::move(text));
}

Value Evaluator::call_macro(const FunctionData& function, const Arguments& arguments) {
  const Depth depth(macro_depth_, kMaxMacroDepth, "macro calls");
  using Closure = std::pair<const Macro*, std::shared_ptr<Scope>>;
  const auto& [macro, home] = *static_cast<const Closure*>(function.macro.get());
  auto scope = std::make_shared<Scope>();
  scope->parent = home;
  const std::size_t count = macro->parameters.size();
  std::vector<bool> named_used(arguments.named.size(), false);
  const auto take_named = [&](std::string_view name) -> const Value* {
    for (std::size_t i = 0; i < arguments.named.size(); ++i) {
      if (arguments.named[i].first != name || named_used[i]) continue;
      named_used[i] = true;
      return &arguments.named[i].second;
    }
    return nullptr;
  };
  std::vector<const Parameter*> absent;
  for (std::size_t i = 0; i < count; ++i) {
    const Parameter& parameter = macro->parameters[i];
    const Value* given = i < arguments.positional.size() ? &arguments.positional[i] : take_named(parameter.name);
    if (given) {
      scope->values[parameter.name] = *given;
    } else {
      absent.push_back(&parameter);
      scope->values[parameter.name] = undefined("parameter '" + parameter.name + "' was not provided");
    }
  }
  if (macro->takes_caller) {
    const Value* caller = take_named("caller");
    scope->values["caller"] = caller ? *caller : undefined("no caller defined");
  }
  if (macro->takes_varargs) {
    Items rest;
    for (std::size_t i = count; i < arguments.positional.size(); ++i) rest.push_back(arguments.positional[i]);
    scope->values["varargs"] = make_list(std::move(rest), true);
  } else if (arguments.positional.size() > count) {
    throw Failure("macro '" + macro->name + "' takes at most " + std::to_string(count) + " arguments");
  }
  DictData kwargs;
  for (std::size_t i = 0; i < arguments.named.size(); ++i) {
    if (named_used[i]) continue;
    const auto& [name, value] = arguments.named[i];
    if (!macro->takes_kwargs) throw Failure("macro '" + macro->name + "' has no argument '" + name + "'");
    kwargs.set(Value(name), value);
  }
  if (macro->takes_kwargs) scope->values["kwargs"] = make_dict(std::move(kwargs));

  std::shared_ptr<Scope> caller_scope = std::exchange(scope_, std::move(scope));
  std::string caller_out = std::exchange(out_, {});
  for (const Parameter* parameter : absent) {
    if (parameter->preset) scope_->values[parameter->name] = eval(*parameter->preset);
  }
  run(macro->body);
  std::string result = std::exchange(out_, std::move(caller_out));
  scope_ = std::move(caller_scope);
  budget_.take(result.size() + 256);
  return Value(std::move(result));
}

}  // namespace grpo::jinja
