/// Tree + variables -> text. One Evaluator renders once.
///
/// Scopes are lexical as in jinja2: loops, macros, `with` and block bodies open one, `if` does not. Names not found in
/// a scope are looked up in the variables, then among the global functions.
#pragma once

#include "libgrpo/text/jinja_builtins.hpp"
#include "libgrpo/text/jinja_syntax.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace grpo::jinja {

struct Scope {
  std::unordered_map<std::string_view, Value> values;  ///< keys live in the tree
  std::shared_ptr<Scope> parent;
};

class Evaluator {
 public:
  /// `now`: what strftime_now shows, seconds since 1970 in UTC
  Evaluator(const Body& body, const DictData& variables, std::int64_t now) : body_(body), variables_(variables), now_(now) {}
  ~Evaluator();
  Evaluator(const Evaluator&) = delete;
  Evaluator& operator=(const Evaluator&) = delete;

  /// throws: Failure; place() then tells where
  std::string render();
  [[nodiscard]] const Place& place() const { return place_; }

 private:
  enum class Flow { go_on, next, stop };
  class Depth;

  // Statements write to out_.
  Flow run(const Body& body);
  Flow run(const Stmt& statement);
  void run_loop(const Stmt& statement, const Value& sequence, int level);
  void run_set(const Stmt& statement);
  void run_call_block(const Stmt& statement);
  std::string captured(const Body& body);
  void write(std::string_view text);
  void assign(const Expr& target, const Value& value);
  Value make_macro(const Macro& macro);
  std::shared_ptr<Scope> open_scope();

  Value eval(const Expr& node);
  Value eval_name(const Expr& node);
  Value eval_literal(const Expr& node);
  Value eval_subscript(const Expr& node);
  Value eval_call(const Expr& node);
  Value eval_comparison(const Expr& node);
  Value eval_concatenation(const Expr& node);
  Value through_filters(const Expr* node, Value text);
  Arguments eval_arguments(const CallArguments& arguments);
  Value call(const Value& function, const Arguments& arguments);
  Value call_loop(const Loop& loop, const Arguments& arguments);
  Value call_macro(const FunctionData& function, const Arguments& arguments);
  Value make_namespace(const Arguments& arguments);

  const Body& body_;
  const DictData& variables_;
  std::int64_t now_;
  Budget budget_;
  Place place_;
  std::string out_;
  std::shared_ptr<Scope> scope_;
  int depth_ = 0;
  int macro_depth_ = 0;
  Value filter_input_;
  // Macros and namespaces may refer to each other in circles; these lists take them apart at the end.
  std::vector<std::shared_ptr<Scope>> macro_scopes_;
  std::vector<Namespace> namespaces_;
};

}  // namespace grpo::jinja
