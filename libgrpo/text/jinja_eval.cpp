// Statements. Expressions are in jinja_eval_expr.cpp.
#include "libgrpo/text/jinja_eval.hpp"

#include "libgrpo/text/jinja_operators.hpp"

#include <utility>

namespace grpo::jinja {

namespace {

/// Puts a variable back when its block is left, by an exception too.
template <class T>
class Restore {
 public:
  Restore(T& variable, T value) : variable_(variable), saved_(std::exchange(variable, std::move(value))) {}
  ~Restore() { variable_ = std::move(saved_); }
  Restore(const Restore&) = delete;
  Restore& operator=(const Restore&) = delete;

 private:
  T& variable_;
  T saved_;
};

/// A loop that a namespace keeps must neither come back to the evaluator nor hold itself.
struct Finish {
  LoopData& loop;
  ~Finish() {
    loop.accept = nullptr;
    loop.again = nullptr;
    loop.drawn = loop.source.size();
    loop.last_changed.reset();
    loop.finished = true;
  }
};

}  // namespace

Evaluator::~Evaluator() {
  for (const Namespace& space : namespaces_) space->attributes = DictData();
  for (const std::shared_ptr<Scope>& scope : macro_scopes_) {
    scope->values.clear();
    scope->parent.reset();
  }
}

std::string Evaluator::render() {
  scope_ = std::make_shared<Scope>();
  run(body_);
  return std::move(out_);
}

void Evaluator::write(std::string_view text) {
  if (out_.size() + text.size() > kMaxOutputBytes) {
    throw Failure("the rendered text is above the limit of " + std::to_string(kMaxOutputBytes) + " bytes");
  }
  budget_.look(text.size());
  out_ += text;
}

std::shared_ptr<Scope> Evaluator::open_scope() {
  auto scope = std::make_shared<Scope>();
  scope->parent = scope_;
  return scope;
}

/// The text a body writes, in a scope of its own.
std::string Evaluator::captured(const Body& body) {
  const Restore scope(scope_, open_scope());
  const Restore out(out_, std::string());
  run(body);
  budget_.take(out_.size());
  return std::move(out_);
}

Value Evaluator::make_macro(const Macro& macro) {
  budget_.take(256);
  auto function = std::make_shared<FunctionData>();
  function->kind = FunctionData::Kind::macro;
  function->name = macro.name;
  function->self = Value(None{});
  function->macro = std::make_shared<const std::pair<const Macro*, std::shared_ptr<Scope>>>(&macro, scope_);
  if (macro_scopes_.empty() || macro_scopes_.back() != scope_) macro_scopes_.push_back(scope_);
  return Value(Function(std::move(function)));
}

void Evaluator::assign(const Expr& target, const Value& value) {
  if (target.kind == ExprKind::tuple) {
    const Items items = iterate(value, budget_);
    if (items.size() != target.items.size()) {
      throw Failure("cannot unpack " + std::to_string(items.size()) + " values into " + std::to_string(target.items.size()) + " names");
    }
    for (std::size_t i = 0; i < items.size(); ++i) assign(*target.items[i], items[i]);
  } else if (target.kind == ExprKind::reference) {
    const Value object = eval_name(target);
    const auto* space = object.as<Namespace>();
    if (!space) throw Failure("cannot assign an attribute of '" + target.name + "', which is no namespace");
    const std::string& attribute = target.operators[0];
    if (attribute[0] == '_') throw Failure("attributes of a namespace must not begin with _");
    static_cast<void>(depth_of(value));
    (*space)->attributes.set(Value(attribute), value);
  } else {
    scope_->values[target.name] = value;
  }
}

Evaluator::Flow Evaluator::run(const Body& body) {
  for (const auto& statement : body) {
    const Flow flow = run(*statement);
    if (flow != Flow::go_on) return flow;
  }
  return Flow::go_on;
}

Evaluator::Flow Evaluator::run(const Stmt& statement) {
  budget_.step();
  place_ = statement.place;
  switch (statement.kind) {
    case StmtKind::text: write(statement.text); break;
    case StmtKind::print: {
      const Value value = eval(*statement.value);
      if (const std::string* text = value.text()) {
        write(*text);
      } else {
        write(to_str(value, budget_));
      }
      break;
    }
    case StmtKind::set:
    case StmtKind::set_block: run_set(statement); break;
    case StmtKind::branch:
      for (const auto& [test, body] : statement.branches) {
        if (!test || truth(eval(*test))) return run(body);
      }
      break;
    case StmtKind::loop: run_loop(statement, eval(*statement.value), 1); break;
    case StmtKind::macro: scope_->values[statement.macro->name] = make_macro(*statement.macro); break;
    case StmtKind::call_block: run_call_block(statement); break;
    case StmtKind::filter: {
      const Value result = through_filters(statement.value.get(), Value(captured(statement.body)));
      if (!result.text()) throw Failure("a filter block must end in a string, got " + type_name(result));
      write(*result.text());
      break;
    }
    case StmtKind::scope: {
      const std::shared_ptr<Scope> inner = open_scope();
      std::vector<Value> values;
      for (const auto& [target, value] : statement.assignments) values.push_back(eval(*value));
      const Restore scope(scope_, inner);
      for (std::size_t i = 0; i < values.size(); ++i) assign(*statement.assignments[i].first, values[i]);
      return run(statement.body);
    }
    case StmtKind::stop: return Flow::stop;
    case StmtKind::next: return Flow::next;
  }
  return Flow::go_on;
}

void Evaluator::run_set(const Stmt& statement) {
  if (statement.kind == StmtKind::set) {
    const Value value = eval(*statement.value);
    place_ = statement.place;
    return assign(*statement.target, value);
  }
  assign(*statement.target, through_filters(statement.value.get(), Value(captured(statement.body))));
}

void Evaluator::run_loop(const Stmt& statement, const Value& sequence, int level) {
  auto loop = std::make_shared<LoopData>();
  const Finish finish{*loop};
  loop->level = level;
  loop->depth = 1 + depth_of(sequence);
  if (loop->depth > kMaxNesting) throw Failure("data nested too deep");
  loop->source = iterate(sequence, budget_);
  if (statement.test) {
    loop->accept = [this, &statement, home = scope_](const Value& item) {
      budget_.step();
      const Restore outer(scope_, home);  // the body may have asked, but its variables are not the loop's
      const Restore scope(scope_, open_scope());
      assign(*statement.target, item);
      return truth(eval(*statement.test));
    };
  }
  if (statement.recursive) {
    loop->again = [this, &statement, home = scope_, level](const Value& items) {
      const Restore scope(scope_, home);
      const Restore out(out_, std::string());
      run_loop(statement, items, level + 1);
      return std::exchange(out_, {});
    };
  }
  bool to_the_end_once = false;
  while (loop->advance()) {
    budget_.step();
    budget_.look(256);
    const Restore scope(scope_, open_scope());
    scope_->values["loop"] = loop;
    assign(*statement.target, loop->current);
    const Flow flow = run(statement.body);
    if (flow == Flow::stop) break;
    if (flow == Flow::go_on) to_the_end_once = true;
  }
  // As in jinja2, `else` also runs if break or continue ended every turn.
  if (to_the_end_once) return;
  const Restore scope(scope_, open_scope());
  run(statement.otherwise);
}

void Evaluator::run_call_block(const Stmt& statement) {
  const Expr& node = *statement.value;
  const Value function = eval(*node.items[0]);
  Arguments arguments = eval_arguments(node.arguments);
  arguments.named.emplace_back("caller", make_macro(*statement.macro));
  place_ = node.place;
  write(to_str(call(function, arguments), budget_));
}

}  // namespace grpo::jinja
