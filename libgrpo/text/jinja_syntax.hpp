/// The tree of a parsed template. Immutable after parsing, shared by all renderings.
#pragma once

#include "libgrpo/text/jinja_value.hpp"

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace grpo::jinja {

/// Where in the (normalised) source.
struct Place {
  int line = 1;
  std::size_t begin = 0;
  std::size_t end = 0;
};

struct Expr;
using ExprPtr = std::unique_ptr<Expr>;

/// f(positional, named=..., *star, **star_star)
struct CallArguments {
  std::vector<ExprPtr> positional;
  std::vector<std::pair<std::string, ExprPtr>> named;
  ExprPtr star, star_star;
};

enum class ExprKind {
  constant,     ///< value
  name,         ///< name
  list,         ///< items
  tuple,        ///< items
  dict,         ///< items: key, value, key, value
  attribute,    ///< items[0] . name
  subscript,    ///< items[0] [ items[1] ]
  slice,        ///< items: start, stop, step; each may be null
  call,         ///< items[0] ( arguments )
  filter,       ///< items[0] | name(arguments); items[0] is null inside a filter block
  test,         ///< items[0] is name(arguments)
  negate,       ///< not items[0]
  both,         ///< items[0] and items[1]
  either,       ///< items[0] or items[1]
  comparison,   ///< items[0] operators[0] items[1] operators[1] items[2] ...
  unary,        ///< name: + or -
  arithmetic,   ///< items[0] name items[1]
  concatenate,  ///< items joined by ~
  condition,    ///< items[0] if items[1] else items[2], which may be null
  reference,    ///< name . operators[0], the target of a namespace assignment
};

struct Expr {
  ExprKind kind = ExprKind::constant;
  Place place;
  int depth = 1;
  Value value;
  std::string name;
  std::vector<ExprPtr> items;
  std::vector<std::string> operators;
  CallArguments arguments;
};

struct Stmt;
using Body = std::vector<std::unique_ptr<Stmt>>;

struct Parameter {
  std::string name;
  ExprPtr preset;  ///< null: none
};

/// {% macro name(parameters) %} body, or the body of {% call(parameters) %}.
struct Macro {
  std::string name;
  std::vector<Parameter> parameters;
  bool takes_varargs = false;  ///< the body mentions varargs
  bool takes_kwargs = false;
  bool takes_caller = false;
  Body body;
};

enum class StmtKind {
  text,        ///< text
  print,       ///< value
  set,         ///< target = value
  set_block,   ///< target = rendered body, through the filters in value
  branch,      ///< branches; a null test is the else
  loop,        ///< target in value, if test; body; otherwise; recursive
  macro,       ///< macro
  call_block,  ///< value is a call; macro is its caller
  filter,      ///< rendered body through the filters in value
  scope,       ///< assignments, then body in a scope of its own
  stop,        ///< break
  next,        ///< continue
};

struct Stmt {
  StmtKind kind = StmtKind::text;
  Place place;
  std::string text;
  bool recursive = false;
  ExprPtr target, value, test;
  std::vector<std::pair<ExprPtr, Body>> branches;
  std::vector<std::pair<ExprPtr, ExprPtr>> assignments;
  Body body, otherwise;
  std::unique_ptr<Macro> macro;
};

}  // namespace grpo::jinja
