#include "libgrpo/text/jinja_parser.hpp"

#include <algorithm>
#include <array>

namespace grpo::jinja {

ExprParser::Level::Level(ExprParser& parser) : parser_(parser) {
  if (++parser_.level_ > kMaxNesting) {
    --parser_.level_;
    parser_.fail("nested deeper than " + std::to_string(kMaxNesting) + " levels");
  }
}

const Token& ExprParser::take() {
  const Token& token = tokens_[at_];
  if (at_ + 1 < tokens_.size()) ++at_;
  return token;
}

bool ExprParser::skip_name(std::string_view name) {
  if (!now().is_name(name)) return false;
  take();
  return true;
}

bool ExprParser::skip_symbol(std::string_view symbol) {
  if (!now().is_symbol(symbol)) return false;
  take();
  return true;
}

namespace {

std::string describe(const Token& token) {
  switch (token.kind) {
    case TokenKind::data:
      return "text";
    case TokenKind::print_begin:
      return "'{{'";
    case TokenKind::print_end:
      return "'}}'";
    case TokenKind::tag_begin:
      return "'{%'";
    case TokenKind::tag_end:
      return "'%}'";
    case TokenKind::end:
      return "the end of the template";
    case TokenKind::integer:
    case TokenKind::number:
      return "a number";
    case TokenKind::text:
      return "a string";
    default:
      return "'" + token.text + "'";
  }
}

}  // namespace

void ExprParser::expect_symbol(std::string_view symbol) {
  if (!skip_symbol(symbol)) fail("expected '" + std::string(symbol) + "', got " + describe(now()));
}

std::string ExprParser::expect_name() {
  if (now().kind != TokenKind::name) fail("expected a name, got " + describe(now()));
  return take().text;
}

void ExprParser::fail(const std::string& what) const { throw SyntaxFailure(what, now().line, now().begin); }

ExprPtr ExprParser::make(ExprKind kind, const Token& first) {
  auto node = std::make_unique<Expr>();
  node->kind = kind;
  node->place = Place{first.line, first.begin, first.end};
  return node;
}

ExprPtr ExprParser::done(ExprPtr node) {
  int depth = 0;
  const auto see = [&](const ExprPtr& child) {
    if (!child) return;
    depth = std::max(depth, child->depth);
    if (child->place.begin < node->place.begin) {
      node->place.begin = child->place.begin;
      node->place.line = child->place.line;
    }
  };
  for (const ExprPtr& item : node->items) see(item);
  for (const ExprPtr& item : node->arguments.positional) see(item);
  for (const auto& [name, item] : node->arguments.named) see(item);
  see(node->arguments.star);
  see(node->arguments.star_star);
  node->depth = depth + 1;
  if (node->depth > kMaxTreeDepth) fail("an expression with more than " + std::to_string(kMaxTreeDepth) + " levels");
  if (at_ > 0) node->place.end = std::max(node->place.end, tokens_[at_ - 1].end);
  return node;
}

ExprPtr ExprParser::binary(ExprKind kind, std::string name, ExprPtr left, ExprPtr right) {
  auto node = std::make_unique<Expr>();
  node->kind = kind;
  node->place = left->place;
  node->name = std::move(name);
  node->items.push_back(std::move(left));
  node->items.push_back(std::move(right));
  return done(std::move(node));
}

ExprPtr ExprParser::expression(bool conditional) {
  const Level level(*this);
  return conditional ? condition() : either();
}

ExprPtr ExprParser::condition() {
  ExprPtr node = either();
  while (skip_name("if")) {
    ExprPtr whole = std::make_unique<Expr>();
    whole->kind = ExprKind::condition;
    whole->place = node->place;
    whole->items.push_back(std::move(node));
    whole->items.push_back(either());
    whole->items.push_back(skip_name("else") ? expression() : nullptr);
    node = done(std::move(whole));
  }
  return node;
}

ExprPtr ExprParser::either() {
  ExprPtr node = both();
  while (skip_name("or")) node = binary(ExprKind::either, "or", std::move(node), both());
  return node;
}

ExprPtr ExprParser::both() {
  ExprPtr node = negation();
  while (skip_name("and")) node = binary(ExprKind::both, "and", std::move(node), negation());
  return node;
}

ExprPtr ExprParser::negation() {
  if (!now().is_name("not")) return comparison();
  const Level level(*this);
  ExprPtr node = make(ExprKind::negate, take());
  node->items.push_back(negation());
  return done(std::move(node));
}

ExprPtr ExprParser::comparison() {
  static constexpr std::array<std::string_view, 6> kOrders = {"==", "!=", "<", "<=", ">", ">="};
  ExprPtr first = sum();
  ExprPtr node;
  for (;;) {
    std::string operation;
    if (now().kind == TokenKind::symbol && std::find(kOrders.begin(), kOrders.end(), now().text) != kOrders.end()) {
      operation = take().text;
    } else if (skip_name("in")) {
      operation = "in";
    } else if (now().is_name("not") && ahead().is_name("in")) {
      take();
      take();
      operation = "not in";
    } else {
      break;
    }
    if (!node) {
      node = std::make_unique<Expr>();
      node->kind = ExprKind::comparison;
      node->place = first->place;
      node->items.push_back(std::move(first));
    }
    node->operators.push_back(std::move(operation));
    node->items.push_back(sum());
  }
  return node ? done(std::move(node)) : std::move(first);
}

ExprPtr ExprParser::sum() {
  ExprPtr node = concatenation();
  while (now().is_symbol("+") || now().is_symbol("-")) {
    std::string operation = take().text;
    node = binary(ExprKind::arithmetic, std::move(operation), std::move(node), concatenation());
  }
  return node;
}

ExprPtr ExprParser::concatenation() {
  ExprPtr first = product();
  if (!now().is_symbol("~")) return first;
  ExprPtr node = std::make_unique<Expr>();
  node->kind = ExprKind::concatenate;
  node->place = first->place;
  node->items.push_back(std::move(first));
  while (skip_symbol("~")) node->items.push_back(product());
  return done(std::move(node));
}

ExprPtr ExprParser::product() {
  ExprPtr node = power();
  while (now().is_symbol("*") || now().is_symbol("/") || now().is_symbol("//") || now().is_symbol("%")) {
    std::string operation = take().text;
    node = binary(ExprKind::arithmetic, std::move(operation), std::move(node), power());
  }
  return node;
}

ExprPtr ExprParser::power() {
  ExprPtr node = unary();
  while (skip_symbol("**")) node = binary(ExprKind::arithmetic, "**", std::move(node), unary());
  return node;
}

ExprPtr ExprParser::unary(bool with_filters) {
  ExprPtr node;
  if (now().is_symbol("-") || now().is_symbol("+")) {
    const Level level(*this);
    const Token& sign = take();
    node = make(ExprKind::unary, sign);
    node->name = sign.text;
    node->items.push_back(unary(false));
    node = done(std::move(node));
  } else {
    node = primary();
  }
  node = postfix(std::move(node));
  return with_filters ? filters_and_tests(std::move(node)) : std::move(node);
}

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
    default:
      break;
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
    const bool at_end = now().kind == TokenKind::print_end || now().kind == TokenKind::tag_end ||
                        now().is_symbol(")") || (!stop.empty() && now().is_name(stop));
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
  if (std::find(kConstants.begin(), kConstants.end(), node->name) != kConstants.end())
    fail("cannot assign to a constant");
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
    if (!node->items.empty() && (now().is_symbol("=") || now().is_symbol(")") || now().kind == TokenKind::tag_end ||
                                 (!stop.empty() && now().is_name(stop)))) {
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
    ExprPtr node = make(ExprKind::filter, now());
    node->name = expect_name();
    while (skip_symbol(".")) node->name += "." + expect_name();
    if (now().is_symbol("(")) node->arguments = call_arguments();
    node->items.push_back(std::move(input));
    input = done(std::move(node));
  }
  return input;
}

ExprPtr ExprParser::test(ExprPtr input) {
  ExprPtr node = make(ExprKind::test, take());
  const bool negated = skip_name("not");
  node->name = expect_name();
  while (skip_symbol(".")) node->name += "." + expect_name();
  const Token& token = now();
  if (token.is_symbol("(")) {
    node->arguments = call_arguments();
  } else if (token.kind == TokenKind::text || token.kind == TokenKind::integer || token.kind == TokenKind::number ||
             token.is_symbol("[") || token.is_symbol("{") ||
             (token.kind == TokenKind::name && !token.is_name("else") && !token.is_name("or") &&
              !token.is_name("and"))) {
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
