#include "libgrpo/base/error.hpp"
#include "libgrpo/data/filter_node.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <optional>
#include <string_view>
#include <utility>

namespace grpo::detail {
namespace {

using Node = Filter::Node;

constexpr int kDeepest = 64;

bool begins_name(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c & 0x80) != 0; }
bool in_number(char c) { return (c >= '0' && c <= '9') || c == '.'; }

struct Token {
  enum class Kind { end, name, quoted_name, number, text, sign } kind = Kind::end;
  std::string text;  // without quotes
  std::size_t at = 0;
};

class Parser {
 public:
  explicit Parser(const std::string& text) : text_(text) { advance(); }

  Node parse() {
    Node node = either();
    if (token_.kind != Token::Kind::end) fail(token_.at, "expected and, or, or the end");
    return node;
  }

 private:
  [[noreturn]] void fail(std::size_t at, const std::string& why) const {
    std::string shown;
    std::size_t column = 0;
    for (std::size_t i = 0; i < text_.size(); ++i) {
      const auto c = static_cast<unsigned char>(text_[i]);
      shown += c < 0x20 ? ' ' : text_[i];
      if (i < at && (c & 0xC0U) != 0x80) ++column;  // characters, not bytes
    }
    throw Error{ErrorKind::recipe, fmt::format("filter: {}\n  {}\n  {}^", why, shown, std::string(column, ' '))};
  }

  void advance() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) ++at_;
    token_ = {Token::Kind::end, {}, at_};
    if (at_ == text_.size()) return;
    const char c = text_[at_];
    const bool minus = c == '-' && at_ + 1 < text_.size() && in_number(text_[at_ + 1]);
    if (c == '"' || c == '\'' || c == '`') {
      read_quoted(c);
    } else if (begins_name(c)) {
      const auto start = at_;
      while (at_ < text_.size() && (begins_name(text_[at_]) || (text_[at_] >= '0' && text_[at_] <= '9'))) ++at_;
      token_ = {Token::Kind::name, text_.substr(start, at_ - start), start};
    } else if (in_number(c) || minus) {
      read_number();
    } else {
      std::size_t length = 1;
      if (at_ + 1 < text_.size() && text_[at_ + 1] == '=' && std::string_view("<>=!").find(c) != std::string_view::npos) length = 2;
      token_ = {Token::Kind::sign, text_.substr(at_, length), at_};
      at_ += length;
    }
  }

  void read_quoted(char quote) {
    const auto start = at_++;
    std::string out;
    while (at_ < text_.size() && text_[at_] != quote) {
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
      out += text_[at_++];
    }
    if (at_ == text_.size()) fail(start, fmt::format("this {} is never closed", quote));
    ++at_;
    token_ = {quote == '`' ? Token::Kind::quoted_name : Token::Kind::text, std::move(out), start};
  }

  void read_number() {
    double value = 0;
    const char* begin = text_.data() + at_;
    const auto [end, problem] = std::from_chars(begin, text_.data() + text_.size(), value);
    const auto start = at_;
    if (problem != std::errc() || !std::isfinite(value)) fail(start, "not a number");
    at_ += static_cast<std::size_t>(end - begin);
    if (at_ < text_.size() && (begins_name(text_[at_]) || in_number(text_[at_]))) fail(start, "not a number");
    token_ = {Token::Kind::number, std::string(begin, end), start};
  }

  bool accept(std::string_view word) {
    if ((token_.kind != Token::Kind::name && token_.kind != Token::Kind::sign) || token_.text != word) return false;
    advance();
    return true;
  }

  void expect(std::string_view sign) {
    if (!accept(sign)) fail(token_.at, fmt::format("expected {}", sign));
  }

  Node either() {
    Node node = both();
    while (accept("or")) node = join(FilterOp::either, std::move(node), both());
    return node;
  }

  Node both() {
    Node node = negation();
    while (accept("and")) node = join(FilterOp::both, std::move(node), negation());
    return node;
  }

  Node negation() {
    const Depth depth(*this);
    if (accept("not")) return negated(negation());
    return test();
  }

  Node test() {
    if (accept("(")) {
      Node node = either();
      expect(")");
      return node;
    }
    const auto start = token_.at;
    Node left = value();
    for (const auto& [sign, op] : {std::pair{"<", FilterOp::less},
                                   {"<=", FilterOp::less_equal},
                                   {">", FilterOp::greater},
                                   {">=", FilterOp::greater_equal},
                                   {"==", FilterOp::equal},
                                   {"=", FilterOp::equal},
                                   {"!=", FilterOp::differs}})
      if (accept(sign)) return join(op, std::move(left), value());
    const bool no = accept("not");
    if (accept("in")) return no ? negated(within(std::move(left))) : within(std::move(left));
    if (accept("contains")) {
      Node found = join(FilterOp::contains, std::move(left), value());
      return no ? negated(std::move(found)) : std::move(found);
    }
    if (no) fail(token_.at, "expected in or contains after not");
    if (left.op == FilterOp::literal && left.value.kind != JsonKind::boolean) fail(start, "a value alone says neither yes nor no");
    return left;
  }

  Node within(Node left) {
    Node node{FilterOp::in, {}, {}, {}};
    node.parts.push_back(std::move(left));
    expect("[");
    do node.parts.push_back(value());
    while (accept(","));
    expect("]");
    return node;
  }

  Node value() {
    const Token token = token_;
    if (token.kind == Token::Kind::end) fail(token.at, "ends where a value is expected");
    if (token.kind == Token::Kind::sign) fail(token.at, "expected a column, a number, a text in quotes, true, false or null");
    advance();
    const auto literal = [&](JsonKind kind) { return Node{FilterOp::literal, {}, {kind, token.text}, {}}; };
    if (token.kind == Token::Kind::number) return literal(JsonKind::number);
    if (token.kind == Token::Kind::text) return literal(JsonKind::text);
    if (token.kind == Token::Kind::name) {
      if (token.text == "null") return literal(JsonKind::null);
      if (token.text == "true" || token.text == "false") return literal(JsonKind::boolean);
      for (const char* word : {"and", "or", "not", "in", "contains"})
        if (token.text == word)
          fail(token.at, fmt::format("expected a value before {}; a column of that name is written `{}`", word, word));
    }
    return Node{FilterOp::column, {}, {}, token.text};
  }

  static Node join(FilterOp op, Node left, Node right) {
    Node node{op, {}, {}, {}};
    node.parts.push_back(std::move(left));
    node.parts.push_back(std::move(right));
    return node;
  }
  static Node negated(Node inner) {
    Node node{FilterOp::negate, {}, {}, {}};
    node.parts.push_back(std::move(inner));
    return node;
  }

  struct Depth {
    explicit Depth(Parser& parser) : parser_(parser) {
      if (++parser_.depth_ > kDeepest) parser_.fail(parser_.token_.at, fmt::format("nested deeper than {}", kDeepest));
    }
    ~Depth() { --parser_.depth_; }
    Depth(const Depth&) = delete;
    Depth& operator=(const Depth&) = delete;
    Parser& parser_;
  };

  const std::string& text_;
  std::size_t at_ = 0;
  int depth_ = 0;
  Token token_;
};

}  // namespace

Filter::Node parse_filter(const std::string& expression) {
  constexpr std::size_t kLongest = 4096;  // and so no chain of and and or is deeper than the stack
  if (expression.size() > kLongest)
    throw Error{ErrorKind::recipe, fmt::format("filter: {} characters long, at most {}", expression.size(), kLongest)};
  return Parser(expression).parse();
}

}  // namespace grpo::detail
