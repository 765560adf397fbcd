// Literals, names, targets, subscripts, calls, filters and tests.
#include "libgrpo/text/jinja_builtins.hpp"
#include "libgrpo/text/jinja_parser.hpp"

#include <algorithm>
#include <array>

namespace grpo::jinja {

ExprPtr ExprParser::primary() {
  const Token& token = now();
  ExprPtr node;
  switch (token.kind) {
    case TokenKind::name:
      take();
      node = make(ExprKind::constant, token);
      if (token.text == "true" || token.text == "True") {
        node->value = true;
      } else if (token.text == "false" || token.text == "False") {
        node->value = false;
      } else if (token.text == "none" || token.text == "None") {
        node->value = None{};
      } else {
        node->kind = ExprKind::name;
        node->name = token.text;
        mentions_.varargs += token.text == "varargs";
        mentions_.kwargs += token.text == "kwargs";
        mentions_.caller += token.text == "caller";
      }
      return node;
    case TokenKind::text: {
      node = make(ExprKind::constant, token);
      std::string text;
      while (now().kind == TokenKind::text) text += take().text;
      node->value = Value(std::move(text));
      return done(std::move(node));
    }
    case TokenKind::integer:
    case TokenKind::number:
      take();
      node = make(ExprKind::constant, token);
      node->value = token.kind == TokenKind::integer ? Value(token.integer) : Value(token.number);
      return node;
    default: break;
  }
  if (token.is_symbol("(")) {
    take();
    node = tuple(true, {}, true);
    expect_symbol(")");
    return node;
  }
  if (token.is_symbol("[")) return list_literal();
  if (token.is_symbol("{")) return dict_literal();
  fail("unexpected " + describe(token));
}

ExprPtr ExprParser::tuple(bool conditional, std::string_view stop, bool in_parentheses) {
  ExprPtr node = make(ExprKind::tuple, now());
  bool is_tuple = false;
  for (;;) {
    if (!node->items.empty()) expect_symbol(",");
    const bool at_end = now().kind == TokenKind::print_end || now().kind == TokenKind::tag_end || now().is_symbol(")") ||
                        (!stop.empty() && now().is_name(stop));
    if (at_end) break;
    node->items.push_back(expression(conditional));
    if (!now().is_symbol(",")) break;
    is_tuple = true;
  }
  if (!is_tuple) {
    if (!node->items.empty()) return std::move(node->items[0]);
    if (!in_parentheses) fail("expected an expression, got " + describe(now()));
  }
  return done(std::move(node));
}

ExprPtr ExprParser::target_item(bool allow_namespace) {
  const Token& token = now();
  if (skip_symbol("(")) {
    const Level level(*this);
    ExprPtr node = target(allow_namespace, {});
    expect_symbol(")");
    return node;
  }
  ExprPtr node = make(ExprKind::name, token);
  node->name = expect_name();
  static constexpr std::array<std::string_view, 6> kConstants = {"true", "True", "false", "False", "none", "None"};
  if (std::find(kConstants.begin(), kConstants.end(), node->name) != kConstants.end()) fail("cannot assign to a constant");
  if (allow_namespace && skip_symbol(".")) {
    node->kind = ExprKind::reference;
    node->operators.push_back(expect_name());
  }
  return done(std::move(node));
}

ExprPtr ExprParser::target(bool allow_namespace, std::string_view stop) {
  ExprPtr node = make(ExprKind::tuple, now());
  bool is_tuple = false;
  for (;;) {
    if (!node->items.empty()) expect_symbol(",");
    if (!node->items.empty() &&
        (now().is_symbol("=") || now().is_symbol(")") || now().kind == TokenKind::tag_end || (!stop.empty() && now().is_name(stop)))) {
      break;
    }
    node->items.push_back(target_item(allow_namespace));
    if (!now().is_symbol(",")) break;
    is_tuple = true;
  }
  return is_tuple ? done(std::move(node)) : std::move(node->items[0]);
}

ExprPtr ExprParser::list_literal() {
  ExprPtr node = make(ExprKind::list, take());
  while (!now().is_symbol("]")) {
    if (!node->items.empty()) expect_symbol(",");
    if (now().is_symbol("]")) break;
    node->items.push_back(expression());
  }
  expect_symbol("]");
  return done(std::move(node));
}

ExprPtr ExprParser::dict_literal() {
  ExprPtr node = make(ExprKind::dict, take());
  while (!now().is_symbol("}")) {
    if (!node->items.empty()) expect_symbol(",");
    if (now().is_symbol("}")) break;
    node->items.push_back(expression());
    expect_symbol(":");
    node->items.push_back(expression());
  }
  expect_symbol("}");
  return done(std::move(node));
}

ExprPtr ExprParser::postfix(ExprPtr node) {
  for (;;) {
    if (now().is_symbol(".") || now().is_symbol("[")) {
      node = subscript(std::move(node));
    } else if (now().is_symbol("(")) {
      node = call(std::move(node));
    } else {
      return node;
    }
  }
}

ExprPtr ExprParser::filters_and_tests(ExprPtr node) {
  for (;;) {
    if (now().is_symbol("|")) {
      node = filters(std::move(node));
    } else if (now().is_name("is")) {
      node = test(std::move(node));
    } else if (now().is_symbol("(")) {
      node = call(std::move(node));
    } else {
      return node;
    }
  }
}

ExprPtr ExprParser::filters(ExprPtr input, bool first_without_bar) {
  while (first_without_bar || now().is_symbol("|")) {
    if (!first_without_bar) take();
    first_without_bar = false;
    const Token& token = now();
    ExprPtr node = make(ExprKind::filter, token);
    node->name = expect_name();
    while (skip_symbol(".")) node->name += "." + expect_name();
    if (!is_filter(node->name)) unknown_.push_back({"filter '" + node->name + "'", token.line, token.begin});
    if (now().is_symbol("(")) node->arguments = call_arguments();
    node->items.push_back(std::move(input));
    input = done(std::move(node));
  }
  return input;
}

ExprPtr ExprParser::test(ExprPtr input) {
  ExprPtr node = make(ExprKind::test, take());
  const bool negated = skip_name("not");
  const Token& name = now();
  node->name = expect_name();
  while (skip_symbol(".")) node->name += "." + expect_name();
  if (!is_test(node->name)) unknown_.push_back({"test '" + node->name + "'", name.line, name.begin});
  const Token& token = now();
  if (token.is_symbol("(")) {
    node->arguments = call_arguments();
  } else if (token.kind == TokenKind::text || token.kind == TokenKind::integer || token.kind == TokenKind::number || token.is_symbol("[") ||
             token.is_symbol("{") ||
             (token.kind == TokenKind::name && !token.is_name("else") && !token.is_name("or") && !token.is_name("and"))) {
    if (token.is_name("is")) fail("tests cannot be chained with 'is'");
    node->arguments.positional.push_back(postfix(primary()));
  }
  node->items.push_back(std::move(input));
  node = done(std::move(node));
  if (!negated) return node;
  ExprPtr not_node = std::make_unique<Expr>();
  not_node->kind = ExprKind::negate;
  not_node->place = node->place;
  not_node->items.push_back(std::move(node));
  return done(std::move(not_node));
}

ExprPtr ExprParser::subscript(ExprPtr object) {
  const Token& token = take();
  if (token.is_symbol(".")) {
    const Token& name = now();
    if (name.kind == TokenKind::name) {
      ExprPtr node = make(ExprKind::attribute, take());
      node->name = name.text;
      node->items.push_back(std::move(object));
      return done(std::move(node));
    }
    if (name.kind != TokenKind::integer) fail("expected a name or a number, got " + describe(name));
    ExprPtr index = make(ExprKind::constant, take());
    index->value = Value(name.integer);
    return binary(ExprKind::subscript, {}, std::move(object), std::move(index));
  }
  ExprPtr items = make(ExprKind::tuple, now());
  while (!now().is_symbol("]")) {
    if (!items->items.empty()) expect_symbol(",");
    items->items.push_back(subscript_item());
  }
  expect_symbol("]");
  ExprPtr index = items->items.size() == 1 ? std::move(items->items[0]) : done(std::move(items));
  return binary(ExprKind::subscript, {}, std::move(object), std::move(index));
}

ExprPtr ExprParser::subscript_item() {
  ExprPtr node = make(ExprKind::slice, now());
  ExprPtr start;
  if (!now().is_symbol(":")) {
    start = expression();
    if (!now().is_symbol(":")) return start;
  }
  take();
  const auto part = [&]() -> ExprPtr {
    const bool absent = now().is_symbol(":") || now().is_symbol("]") || now().is_symbol(",");
    return absent ? nullptr : expression();
  };
  node->items.push_back(std::move(start));
  node->items.push_back(part());
  node->items.push_back(skip_symbol(":") ? part() : nullptr);
  return done(std::move(node));
}

ExprPtr ExprParser::call(ExprPtr function) {
  ExprPtr node = std::make_unique<Expr>();
  node->kind = ExprKind::call;
  node->place = function->place;
  node->arguments = call_arguments();
  node->items.push_back(std::move(function));
  return done(std::move(node));
}

CallArguments ExprParser::call_arguments() {
  expect_symbol("(");
  CallArguments arguments;
  bool first = true;
  while (!now().is_symbol(")")) {
    if (!first) {
      expect_symbol(",");
      if (now().is_symbol(")")) break;
    }
    first = false;
    if (skip_symbol("*")) {
      if (arguments.star || arguments.star_star) fail("invalid arguments of a call");
      arguments.star = expression();
    } else if (skip_symbol("**")) {
      if (arguments.star_star) fail("invalid arguments of a call");
      arguments.star_star = expression();
    } else if (now().kind == TokenKind::name && ahead().is_symbol("=")) {
      if (arguments.star_star) fail("invalid arguments of a call");
      std::string name = take().text;
      take();
      arguments.named.emplace_back(std::move(name), expression());
    } else {
      if (arguments.star || arguments.star_star || !arguments.named.empty()) fail("invalid arguments of a call");
      arguments.positional.push_back(expression());
    }
  }
  expect_symbol(")");
  return arguments;
}

}  // namespace grpo::jinja
