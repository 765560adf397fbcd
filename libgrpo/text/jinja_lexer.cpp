#include "libgrpo/text/jinja_lexer.hpp"

#include "libgrpo/text/jinja_unicode.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

namespace grpo::jinja {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || static_cast<unsigned char>(c) >= 0x80; }

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(source) {}

  std::vector<Token> run() {
    while (at_ < source_.size()) root();
    push(TokenKind::end, {}, at_);
    return std::move(tokens_);
  }

 private:
  [[nodiscard]] bool looking_at(std::string_view text, std::size_t at) const {
    return source_.compare(std::min(at, source_.size()), text.size(), text) == 0;
  }
  [[nodiscard]] bool looking_at(std::string_view text) const { return looking_at(text, at_); }

  [[noreturn]] void fail(const std::string& what) const { throw SyntaxFailure(what, line_, at_); }

  void move_to(std::size_t end) {
    line_ += static_cast<int>(
        std::count(source_.begin() + static_cast<std::ptrdiff_t>(at_), source_.begin() + static_cast<std::ptrdiff_t>(end), '\n'));
    at_line_start_ = end > at_ ? source_[end - 1] == '\n' : at_line_start_;
    at_ = end;
  }

  /// The token from at_ to `end`.
  Token& push(TokenKind kind, std::string text, std::size_t end) {
    Token& token = tokens_.emplace_back();
    token.kind = kind;
    token.text = std::move(text);
    token.line = line_;
    token.begin = at_;
    token.end = end;
    return token;
  }

  [[nodiscard]] std::size_t behind_spaces(std::size_t at) const {
    while (at < source_.size()) {
      std::size_t next = at;
      if (!is_space(decode_utf8(source_, next))) break;
      at = next;
    }
    return at;
  }

  /// Text up to a tag whose sign is '-', '+' or 0, as the sign and lstrip_blocks leave it.
  [[nodiscard]] std::string_view stripped(std::string_view text, char sign, bool is_print) const {
    if (sign == '-') return strip(text, false, true);
    if (sign == '+' || is_print) return text;
    const std::size_t newline = text.rfind('\n');
    const std::size_t line = newline == std::string_view::npos ? 0 : newline + 1;
    if ((line > 0 || at_line_start_) && strip(text.substr(line), true, false).empty()) return text.substr(0, line);
    return text;
  }

  void data(std::string_view text) {
    if (!text.empty()) push(TokenKind::data, std::string(text), at_ + text.size());
  }

  [[nodiscard]] char sign_at(std::size_t at) const {
    return at < source_.size() && (source_[at] == '-' || source_[at] == '+') ? source_[at] : '\0';
  }

  void root() {
    std::size_t open = at_;
    for (;; ++open) {
      open = source_.find('{', open);
      if (open == std::string_view::npos || open + 1 >= source_.size()) {
        data(source_.substr(at_));
        return move_to(source_.size());
      }
      const char next = source_[open + 1];
      if (next == '{' || next == '%' || next == '#') break;
    }
    const bool is_print = source_[open + 1] == '{';
    const char sign = sign_at(open + 2);
    const std::size_t inside = open + 2 + (sign ? 1 : 0);
    data(stripped(source_.substr(at_, open - at_), sign, is_print));
    move_to(open);
    if (source_[open + 1] == '#') return comment(inside);
    if (source_[open + 1] == '%' && raw(inside)) return;
    push(is_print ? TokenKind::print_begin : TokenKind::tag_begin, {}, inside);
    move_to(inside);
    code(is_print);
  }

  /// Behind "%}" or "#}" that starts at `close`.
  [[nodiscard]] std::size_t behind_close(std::size_t close, char sign) const {
    const std::size_t end = close + 2;
    if (sign == '-') return behind_spaces(end);
    return sign != '+' && looking_at("\n", end) ? end + 1 : end;
  }

  void comment(std::size_t inside) {
    const std::size_t close = source_.find("#}", inside);
    if (close == std::string_view::npos) fail("missing end of comment tag");
    const char sign = close > inside ? sign_at(close - 1) : '\0';
    move_to(behind_close(close, sign));
  }

  /// {% raw %} text {% endraw %}; false if the tag is another one.
  bool raw(std::size_t inside) {
    std::size_t at = behind_spaces(inside);
    if (!looking_at("raw", at)) return false;
    at = behind_spaces(at + 3);
    if (looking_at("-%}", at)) {
      at = behind_spaces(at + 3);
    } else if (looking_at("%}", at)) {
      at += 2;
    } else {
      return false;
    }
    move_to(at);
    for (std::size_t open = source_.find("{%", at); open != std::string_view::npos; open = source_.find("{%", open + 2)) {
      const char sign = sign_at(open + 2);
      std::size_t end = behind_spaces(open + 2 + (sign ? 1 : 0));
      if (!looking_at("endraw", end)) continue;
      end = behind_spaces(end + 6);
      const char end_sign = sign_at(end);
      if (end_sign) ++end;
      if (!looking_at("%}", end)) continue;
      data(stripped(source_.substr(at_, open - at_), sign, false));
      move_to(behind_close(end, end_sign));
      return true;
    }
    fail("missing end of raw directive");
  }

  /// The inside of {{ }} or {% %}, to its end.
  void code(bool is_print) {
    const std::string_view close = is_print ? "}}" : "%}";
    std::string brackets;
    for (;;) {
      move_to(behind_spaces(at_));
      if (at_ >= source_.size()) return;  // the parser knows what is missing
      if (brackets.empty()) {
        const char sign = source_[at_] == '-' || (source_[at_] == '+' && !is_print) ? source_[at_] : '\0';
        const std::size_t at = at_ + (sign ? 1 : 0);
        if (looking_at(close, at)) {
          push(is_print ? TokenKind::print_end : TokenKind::tag_end, {}, at + 2);
          const std::size_t end = is_print ? (sign == '-' ? behind_spaces(at + 2) : at + 2) : behind_close(at, sign);
          return move_to(end);
        }
      }
      const char c = source_[at_];
      if (is_digit(c)) {
        number();
      } else if (is_name_start(c)) {
        std::size_t end = at_ + 1;
        while (end < source_.size() && (is_name_start(source_[end]) || is_digit(source_[end]))) ++end;
        push(TokenKind::name, std::string(source_.substr(at_, end - at_)), end);
        move_to(end);
      } else if (c == '"' || c == '\'') {
        text(c);
      } else {
        symbol(brackets);
      }
    }
  }

  void symbol(std::string& brackets) {
    static constexpr std::array<std::string_view, 6> kPairs = {"//", "**", "==", "!=", ">=", "<="};
    std::size_t size = 1;
    for (const std::string_view pair : kPairs) {
      if (looking_at(pair)) size = 2;
    }
    const std::string text(source_.substr(at_, size));
    if (size == 1 && std::string_view("+-*/%~[](){}><=.:|,;").find(text[0]) == std::string_view::npos) {
      fail("unexpected character '" + text + "'");
    }
    const std::string_view open = "([{";
    const std::string_view closing = ")]}";
    if (size == 1 && open.find(text[0]) != std::string_view::npos) {
      brackets += closing[open.find(text[0])];
    } else if (size == 1 && closing.find(text[0]) != std::string_view::npos) {
      if (brackets.empty()) fail("unexpected '" + text + "'");
      if (brackets.back() != text[0]) fail("unexpected '" + text + "', expected '" + brackets.back() + "'");
      brackets.pop_back();
    }
    push(TokenKind::symbol, text, at_ + size);
    move_to(at_ + size);
  }

  /// Behind digits with single underscores between them, from `at`; `at` itself if there are none.
  template <class IsDigit>
  [[nodiscard]] std::size_t digits(std::size_t at, std::string& out, IsDigit&& is_one) const {
    while (at < source_.size()) {
      const std::size_t next = source_[at] == '_' && !out.empty() ? at + 1 : at;
      if (next >= source_.size() || !is_one(source_[next])) break;
      out += source_[next];
      at = next + 1;
    }
    return at;
  }

  void number() {
    const auto is_any = [](char c) { return is_digit(c); };
    std::string whole;
    std::size_t end = digits(at_, whole, is_any);
    std::string text = whole;
    bool is_float = false;
    const bool after_dot = at_ > 0 && source_[at_ - 1] == '.';  // message.0 has no fraction
    if (!after_dot && end + 1 < source_.size() && source_[end] == '.' && is_digit(source_[end + 1])) {
      std::string part;
      end = digits(end + 1, part, is_any);
      text += "." + part;
      is_float = true;
    }
    if (!after_dot && end < source_.size() && (source_[end] == 'e' || source_[end] == 'E')) {
      const std::size_t sign = end + 1 < source_.size() && (source_[end + 1] == '+' || source_[end + 1] == '-') ? 1 : 0;
      std::string part;
      const std::size_t behind = digits(end + 1 + sign, part, is_any);
      if (!part.empty()) {
        text += "e" + std::string(source_.substr(end + 1, sign)) + part;
        end = behind;
        is_float = true;
      }
    }
    if (is_float) {
      Token& token = push(TokenKind::number, {}, end);
      const char* const begin = text.data();
      const auto result = std::from_chars(begin, begin + text.size(), token.number);
      if (result.ec == std::errc::result_out_of_range) {
        const bool tiny = text.find("e-") != std::string::npos;
        token.number = tiny ? 0.0 : std::numeric_limits<double>::infinity();
      }
      return move_to(end);
    }
    integer();
  }

  void integer() {
    int base = 10;
    const char mark = at_ + 1 < source_.size() && source_[at_] == '0' ? static_cast<char>(source_[at_ + 1] | 0x20) : '\0';
    if (mark == 'x') base = 16;
    if (mark == 'o') base = 8;
    if (mark == 'b') base = 2;
    std::string text = base == 10 ? "" : "0";  // an underscore may follow the prefix
    std::size_t end = digits(at_ + (base == 10 ? 0 : 2), text, [&](char c) { return hex_value(c) < base; });
    if (base != 10 && text.size() == 1) {  // "0x" without digits is a zero and a name
      end = at_ + 1;
    } else if (base == 10 && text[0] == '0') {  // "007" is 00 and 7
      text.clear();
      end = digits(at_, text, [](char c) { return c == '0'; });
    }
    Token& token = push(TokenKind::integer, {}, end);
    const auto result = std::from_chars(text.data(), text.data() + text.size(), token.integer, base);
    if (result.ec != std::errc()) fail("the integer " + text + " does not fit into 64 bits");
    move_to(end);
  }

  void text(char quote) {
    std::size_t end = at_ + 1;
    while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
    if (end >= source_.size()) fail("a string without its closing quote");
    try {
      push(TokenKind::text, unescape(source_.substr(at_ + 1, end - at_ - 1)), end + 1);
    } catch (const Failure& failure) {
      fail(failure.what());
    }
    move_to(end + 1);
  }

  std::string_view source_;
  std::size_t at_ = 0;
  int line_ = 1;
  bool at_line_start_ = true;
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> tokenize(std::string_view source) { return Lexer(source).run(); }

}  // namespace grpo::jinja
