// Operators, by precedence from low to high. What they bind is in jinja_parser_operand.cpp.
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

std::string ExprParser::describe(const Token& token) {
  switch (token.kind) {
    case TokenKind::data: return "text";
    case TokenKind::print_begin: return "'{{'";
    case TokenKind::print_end: return "'}}'";
    case TokenKind::tag_begin: return "'{%'";
    case TokenKind::tag_end: return "'%}'";
    case TokenKind::end: return "the end of the template";
    case TokenKind::integer:
    case TokenKind::number: return "a number";
    case TokenKind::text: return "a string";
    default: return "'" + token.text + "'";
  }
}

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
  const std::size_t known = unknown_.size();
  ExprPtr node = either();
  while (skip_name("if")) {
    ExprPtr whole = std::make_unique<Expr>();
    whole->kind = ExprKind::condition;
    whole->place = node->place;
    whole->items.push_back(std::move(node));
    whole->items.push_back(either());
    whole->items.push_back(skip_name("else") ? expression() : nullptr);
    node = done(std::move(whole));
    forget_unknown(known);  // jinja2 minds an unknown filter only if this side is taken
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

void ExprParser::refuse_unknown(std::size_t since) const {
  if (unknown_.size() <= since) return;
  const Unknown& one = unknown_[since];
  throw SyntaxFailure("unknown or unsupported " + one.what, one.line, one.offset);
}

}  // namespace grpo::jinja
