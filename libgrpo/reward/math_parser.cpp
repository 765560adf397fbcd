#include "libgrpo/reward/math_parser.inl"

#include "libgrpo/reward/math_words.hpp"

namespace grpo::math {

std::optional<Node> Parser::run() {
  if (at_end()) return std::nullopt;
  Node node = statement();
  if (failed_ || !at_end()) return std::nullopt;
  return node;
}

Node Parser::statement() {
  std::vector<Node> items;
  items.push_back(relation());
  while (!failed_ && take(',')) {
    while (take(',')) {
    }
    if (at_end()) break;
    items.push_back(relation());
  }
  if (items.size() == 1) return std::move(items.front());
  return make(Op::list, std::move(items));
}

Node Parser::relation() {
  constexpr std::string_view kRelations = "=<>lgne";
  if (++depth_ > kMaxDepth) return fail();
  Node left = union_of_sets();
  std::string signs;
  std::vector<Node> sides;
  while (!failed_ && now().kind == Kind::sign && kRelations.find(now().sign) != std::string_view::npos) {
    if (signs.empty()) sides.push_back(std::move(left));
    signs += now().sign;
    ++at_;
    sides.push_back(union_of_sets());
  }
  --depth_;
  return signs.empty() ? std::move(left) : make(Op::relation, std::move(sides), signs);
}

Node Parser::union_of_sets() {
  Node left = sum();
  while (!failed_ && (is('U') || is('I') || is('\\'))) {
    std::string sign(1, now().sign);
    ++at_;
    left = two(Op::unite, std::move(left), sum(), std::move(sign));
  }
  return left;
}

Node Parser::sum() {
  std::vector<Node> parts;
  parts.push_back(product());
  while (!failed_) {
    if (take('+')) {
      parts.push_back(product());
    } else if (take('-')) {
      parts.push_back(negative(product()));
    } else if (is('P') || is('M')) {
      const std::string sign = is('P') ? "+" : "-";
      ++at_;
      parts.push_back(one(Op::plus_minus, product(), sign));
    } else {
      break;
    }
  }
  if (parts.size() == 1) return std::move(parts.front());
  return make(Op::add, std::move(parts));
}

bool Parser::begins_factor() const {
  const Token& token = now();
  switch (token.kind) {
    case Kind::name:
    case Kind::function: return true;
    case Kind::command: return token.text != "end";
    case Kind::number:
      return at_ > 0 && tokens_[at_ - 1].kind != Kind::number && (tokens_[at_ - 1].kind != Kind::name || tokens_[at_ - 1].text == "pi");
    case Kind::sign: return token.sign == '(' || token.sign == '{' || token.sign == '[' || (token.sign == '|' && bars_ == 0);
    default: return false;
  }
}

Node Parser::product() {
  Node left = signed_factor();
  while (!failed_) {
    if (take('*')) {
      left = two(Op::multiply, std::move(left), signed_factor());
    } else if (take('/')) {
      left = quotient(std::move(left), signed_factor());
    } else if (now().kind == Kind::word || now().kind == Kind::currency) {
      if (left.op == Op::unit) return fail();
      left = one(Op::unit, std::move(left), unit());
    } else if (begins_factor()) {
      left = two(Op::multiply, std::move(left), factor());
    } else {
      break;
    }
  }
  return left;
}

std::string Parser::unit() {
  std::string text;
  while (!failed_) {
    if (now().kind == Kind::word || now().kind == Kind::currency) {
      text += now().text;
      ++at_;
    } else if (is('/') && (ahead(1).kind == Kind::word || (ahead(1).kind == Kind::name && ahead(1).text.size() == 1))) {
      text += "/" + ahead(1).text;
      at_ += 2;
    } else if (is('^')) {
      ++at_;
      const bool brace = take('{');
      const bool minus = take('-');
      if (now().kind != Kind::number) fail();
      text += (minus ? "^-" : "^") + now().text;
      if (!failed_) ++at_;
      if (brace) need('}');
    } else {
      break;
    }
  }
  return canonical_unit(text);
}

Node Parser::signed_factor() {
  if (++depth_ > kMaxDepth) return fail();
  Node node;
  if (take('-')) {
    node = negative(signed_factor());
  } else if (take('+')) {
    node = signed_factor();
  } else if (is('P') || is('M')) {
    const std::string sign = is('P') ? "+" : "-";
    ++at_;
    node = one(Op::plus_minus, signed_factor(), sign);
  } else {
    node = factor();
  }
  --depth_;
  return node;
}

Node Parser::factor() {
  if (++depth_ > kMaxDepth) return fail();
  Node node = primary();
  while (!failed_) {
    if (take('!')) {
      node = one(Op::factorial, std::move(node));
    } else if (take('%')) {
      node = one(Op::unit, std::move(node), "%");
    } else if (take('D')) {
      node = one(Op::unit, std::move(node), "degree");
    } else if (is('^') && degree_mark()) {
      node = one(Op::unit, std::move(node), "degree");
    } else if (take('^')) {
      node = two(Op::power, std::move(node), exponent());
    } else {
      break;
    }
  }
  --depth_;
  return node;
}

bool Parser::degree_mark() {
  const auto sign_at = [this](std::size_t n, char sign) { return ahead(n).kind == Kind::sign && ahead(n).sign == sign; };
  if (sign_at(1, 'D')) return at_ += 2, true;
  if (sign_at(1, '{') && sign_at(2, 'D') && sign_at(3, '}')) return at_ += 4, true;
  return false;
}

Node Parser::exponent() {
  if (is('-') || is('+')) {
    const bool minus = is('-');
    ++at_;
    Node inner = exponent_body();
    return minus ? negative(std::move(inner)) : inner;
  }
  return exponent_body();
}

Node Parser::exponent_body() {
  if (++depth_ > kMaxDepth) return fail();
  Node node = primary();
  if (!failed_ && take('^')) node = two(Op::power, std::move(node), exponent());
  --depth_;
  return node;
}

Node Parser::primary() {
  if (failed_ || ++depth_ > kMaxDepth) return fail();
  Node node;
  const Token& token = now();
  switch (token.kind) {
    case Kind::number: node = number_token(); break;
    case Kind::name: node = name(); break;
    case Kind::function: node = function(); break;
    case Kind::word: node = words(); break;
    case Kind::currency: {
      std::string name = token.text;
      ++at_;
      node = one(Op::unit, primary(), name);
      break;
    }
    case Kind::command: node = command(); break;
    case Kind::sign:
      if (token.sign == '|') {
        ++at_;
        ++bars_;
        node = one(Op::function, sum(), "abs");
        --bars_;
        need('|');
      } else if (token.sign == '(' || token.sign == '[' || token.sign == '{' || token.sign == 'S') {
        node = bracketed();
      } else {
        node = fail();
      }
      break;
    case Kind::end: node = fail();
  }
  --depth_;
  return node;
}

std::optional<Node> parse_math(std::string_view text, Comma comma) {
  std::optional<std::vector<Token>> tokens = lex_math(text, comma);
  if (!tokens) return std::nullopt;
  return Parser(std::move(*tokens)).run();
}

}  // namespace grpo::math
