/// Tokens to a tree by recursive descent, for math_parser*.cpp alone. A rule that does not fit sets failed_, and the whole answer has no tree.
#pragma once

#include "libgrpo/reward/math_lexer.inl"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace grpo::math {

using Kind = Token::Kind;

inline Node make(Op op, std::vector<Node> kids, std::string text = {}) { return {op, std::move(text), 0, std::move(kids)}; }
inline Node two(Op op, Node a, Node b, std::string text = {}) {
  Node node{op, std::move(text), 0, {}};
  node.kids.reserve(2);
  node.kids.push_back(std::move(a));
  node.kids.push_back(std::move(b));
  return node;
}
inline Node one(Op op, Node a, std::string text = {}) {
  Node node{op, std::move(text), 0, {}};
  node.kids.push_back(std::move(a));
  return node;
}
inline Node number(const Rational& value) { return {Op::number, {}, value, {}}; }
inline Node negative(Node node) {
  if (node.op == Op::number) return number(-node.number);
  return two(Op::multiply, number(-1), std::move(node));
}
inline Node quotient(Node a, Node b) { return two(Op::multiply, std::move(a), two(Op::power, std::move(b), number(-1))); }

inline Integer power_of_ten(std::size_t exponent) { return boost::multiprecision::pow(Integer(10), static_cast<unsigned>(exponent)); }

/// "12.50" or "1.5e-3"; none if it would not fit.
std::optional<Rational> decimal(std::string_view text);

class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}
  std::optional<Node> run();

 private:
  const Token& now() const { return tokens_[at_]; }
  const Token& ahead(std::size_t n) const { return tokens_[std::min(at_ + n, tokens_.size() - 1)]; }
  bool at_end() const { return now().kind == Kind::end; }
  bool is(char sign) const { return now().kind == Kind::sign && now().sign == sign; }
  bool is_command(std::string_view name) const { return now().kind == Kind::command && now().text == name; }
  bool take(char sign) { return is(sign) && (++at_, true); }
  void need(char sign) {
    if (!take(sign)) fail();
  }
  Node fail() {
    failed_ = true;
    at_ = tokens_.size() - 1;  // nothing more is read
    return {};
  }
  // a, b and c
  Node statement();
  Node relation();
  Node union_of_sets();
  Node sum();
  bool begins_factor() const;
  Node product();
  // cm^2, km/h, square feet: to where the words end.
  std::string unit();
  Node signed_factor();
  Node factor();
  // ^\circ or ^{\circ}
  bool degree_mark();
  Node exponent();
  Node exponent_body();
  Node argument() {  // of \frac and \sqrt: {...}, or one digit or letter
    if (take('{')) {
      Node node = statement();
      need('}');
      return node;
    }
    if (now().kind != Kind::number || now().text.size() < 2 || now().text.find_first_not_of("0123456789") != std::string::npos)
      return primary();
    Token& token = tokens_[at_];
    const Node digit = number(token.text[0] - '0');  // \frac12
    token.text.erase(0, 1);
    return digit;
  }
  Node fraction();
  // The whole number was read; \frac{1}{2} or " 1/2" behind it makes a mixed number if it is a proper fraction of integers.
  Node mixed(Node whole);
  Node number_token();
  // 0.1\overline{6}
  Node repeating(const Rational& value, const std::string& text);
  // 1011_2
  Node in_base(const std::string& text);
  Node name();
  // sin x, sin^2 x, sin(x), log_2 x
  Node function();
  Node command();
  // {pmatrix} a & b \\ c & d \end{pmatrix}
  Node matrix();
  Node bracketed();

  Node words() {
    std::string text = now().text;
    for (++at_; now().kind == Kind::word || now().kind == Kind::name; ++at_) text += " " + now().text;
    return text.size() == 1 ? make(Op::symbol, {}, text) : make(Op::text, {}, text);
  }
  Node primary();

  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int depth_ = 0;
  int bars_ = 0;  // bars that are open: the next one closes
  bool failed_ = false;
};

}  // namespace grpo::math
