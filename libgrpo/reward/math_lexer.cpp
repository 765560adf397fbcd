#include "libgrpo/reward/math_lexer.inl"

#include "libgrpo/reward/math_words.hpp"

#include <algorithm>
#include <utility>

namespace grpo::math {
namespace {

bool digit(char c) { return c >= '0' && c <= '9'; }
bool letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

class Lexer {
 public:
  Lexer(std::string_view text, Comma comma) : text_(text), comma_(comma) {
    std::size_t dollars = 0;
    for (std::size_t i = 0; i < text.size(); ++i) dollars += text[i] == '$' && (i == 0 || text[i - 1] != '\\') ? 1 : 0;
    dollar_is_currency_ = dollars % 2 == 1;
  }

  std::optional<std::vector<Token>> run() {
    while (at_ < text_.size()) {
      if (tokens_.size() > kMaxTokens || !step()) return std::nullopt;
    }
    add(Token::Kind::end);
    return std::move(tokens_);
  }

 private:
  char peek(std::size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
  bool starts(std::string_view with) const { return text_.substr(at_).starts_with(with); }

  void add(Token::Kind kind, std::string_view text = {}, char sign = 0) {
    tokens_.push_back({kind, sign, std::string(text), spaced_});
    spaced_ = false;
  }
  bool add_sign(char sign) { return add(Token::Kind::sign, {}, sign), true; }
  bool after_number() const { return !tokens_.empty() && tokens_.back().kind == Token::Kind::number; }

  bool step() {
    const char c = peek();
    if (space(c)) return ++at_, spaced_ = true;
    if (digit(c) || (c == '.' && digit(peek(1)))) return number();
    if (letter(c)) return letters();
    if (c == '\\') return command();
    if (c == '$') {
      ++at_;
      if (dollar_is_currency_) add(Token::Kind::currency, "dollar");
      return true;
    }
    if (c == '.' || c == '?') return ++at_, at_ >= text_.size() || space(peek()) || peek() == '$' || peek() == '}';
    if (c == '*' && peek(1) == '*') return at_ += 2, add_sign('^');
    if (c == '<' && peek(1) == '=') return at_ += 2, add_sign('l');
    if (c == '>' && peek(1) == '=') return at_ += 2, add_sign('g');
    if (c == '!' && peek(1) == '=') return at_ += 2, add_sign('n');
    if (c == '~') return ++at_, spaced_ = true;  // LaTeX's space
    constexpr std::string_view kSigns = "+-*/^_()[]{}|,=<>!%&";
    if (kSigns.find(c) != std::string_view::npos) return ++at_, add_sign(c);
    if (c == ';') return ++at_, add_sign(',');
    return unicode();
  }

  bool unicode() {
    const UnicodeSign* found = find_unicode(text_.substr(at_));
    if (found == nullptr) return false;
    at_ += found->bytes.size();
    if (found->sign == ' ') return spaced_ = true;
    if (found->sign != 0) return add_sign(found->sign);
    if (found->name == "sqrt") return add(Token::Kind::command, "sqrt"), true;
    const bool currency = found->name == "euro" || found->name == "pound";
    return add(currency ? Token::Kind::currency : Token::Kind::name, found->name), true;
  }

  // Bytes of a separator of thousands at `at`, if three digits and no fourth stand behind it.
  std::size_t group(std::size_t at) const {
    constexpr std::string_view kSeparators[] = {",\\!", "{,}", "\\,", "\\ ", ",", " "};
    for (const std::string_view separator : kSeparators) {
      if (!text_.substr(at).starts_with(separator)) continue;
      if (separator == "," && comma_ == Comma::separator) return 0;
      const auto is_digit = [&](std::size_t i) { return i < text_.size() && digit(text_[i]); };
      const std::size_t begin = at + separator.size();
      if (!is_digit(begin) || !is_digit(begin + 1) || !is_digit(begin + 2) || is_digit(begin + 3)) return 0;
      if (separator == " " && begin + 3 < text_.size() && text_[begin + 3] == '/') return 0;  // 1 234/5 is a mixed number
      return separator.size();
    }
    return 0;
  }

  // Takes ",000,000" behind a first group, all of it or nothing.
  void thousands(std::string& digits) {
    if (digits.size() > 3 || digits[0] == '0') return;
    std::string more;
    std::size_t at = at_;
    for (std::size_t separator = group(at); separator > 0; separator = group(at)) {
      more += text_.substr(at + separator, 3);
      at += separator + 3;
    }
    const bool broken = at + 1 < text_.size() && text_[at] == ',' && digit(text_[at + 1]);  // 1,000,22 is a list
    if (broken || more.size() + digits.size() > kMaxDigits) return;
    digits += more;
    at_ = at;
  }

  bool number() {
    std::string digits;
    while (digit(peek())) digits += text_[at_++];
    if (!digits.empty()) thousands(digits);
    const std::string_view behind = text_.substr(std::min(at_ + 1, text_.size()));
    if (peek() == '.' && (digit(peek(1)) || behind.starts_with("\\overline") || behind.starts_with("\\bar"))) {
      digits += text_[at_++];
      while (digit(peek())) digits += text_[at_++];
    }
    const std::size_t signs = peek(1) == '+' || peek(1) == '-' ? 1 : 0;
    if ((peek() == 'e' || peek() == 'E') && digit(peek(1 + signs)) && !letter(peek(2 + signs))) {
      digits += 'e';
      ++at_;
      if (peek() == '-') digits += '-';
      at_ += signs;
      while (digit(peek())) digits += text_[at_++];
    }
    if (digits.size() > kMaxDigits) return false;
    return add(Token::Kind::number, digits), true;
  }

  // A run of letters: a word of the language of answers, a unit, a function, or a product of symbols.
  bool letters() {
    const std::size_t begin = at_;
    while (letter(peek())) ++at_;
    const std::string_view run = text_.substr(begin, at_ - begin);
    if (const char sign = word_sign(run)) return add_sign(sign);
    if (run == "pi" || run == "oo") return add(Token::Kind::name, run), true;
    if (run == "infinity" || run == "inf" || run == "Infinity") return add(Token::Kind::name, "oo"), true;
    if (run == "sqrt") return add(Token::Kind::command, run), true;
    if (is_function(run)) return add(Token::Kind::function, run), true;
    const bool free = spaced_ || tokens_.empty() || tokens_.back().kind == Token::Kind::word;
    if (run.size() > 1 && ((after_number() && is_unit(run)) || (free && (run.size() > 2 || is_word(run))))) {
      return add(Token::Kind::word, run), true;
    }
    for (const char c : run) add(Token::Kind::name, std::string_view(&c, 1));
    return tokens_.size() <= kMaxTokens;
  }

  // The inside of {...} that begins at at_, braces within it balanced; none if it does not end.
  std::optional<std::string_view> braced() {
    std::size_t at = at_;
    while (at < text_.size() && space(text_[at])) ++at;
    if (at >= text_.size() || text_[at] != '{') return std::nullopt;
    const std::size_t begin = at + 1;
    for (int depth = 0; at < text_.size(); ++at) {
      if (text_[at] == '\\') {
        ++at;
        continue;
      }
      depth += text_[at] == '{' ? 1 : text_[at] == '}' ? -1 : 0;
      if (depth == 0) {
        const std::string_view inner = text_.substr(begin, at - begin);
        at_ = at + 1;
        return inner;
      }
    }
    return std::nullopt;
  }

  // \text{...} and its kind: words become one token; anything else is read as if the command were not there.
  bool styled() {
    const std::size_t begin = at_;
    std::optional<std::string_view> inner = braced();
    if (!inner) return false;
    while (!inner->empty() && space(inner->front())) inner->remove_prefix(1), spaced_ = true;
    while (!inner->empty() && space(inner->back())) inner->remove_suffix(1);
    const bool words = std::any_of(inner->begin(), inner->end(), letter) && std::all_of(inner->begin(), inner->end(), [](char c) {
                         return letter(c) || space(c) || c == '-' || c == '.' || c == '/' || c == '\'';
                       });
    if (inner->empty()) return true;
    if (!words) return at_ = begin, true;
    if (const char sign = word_sign(*inner)) return add_sign(sign);
    if (is_function(*inner)) return add(Token::Kind::function, *inner), true;
    return add(Token::Kind::word, *inner), true;
  }

  bool command() {
    const char next = peek(1);
    if (!letter(next)) {
      at_ += std::min<std::size_t>(2, text_.size() - at_);
      if (next == '{' || next == '}') return add_sign(next == '{' ? 'S' : 'T');
      if (next == '\\') return add_sign('R');
      if (next == '%' || next == '|') return add_sign(next);
      if (next == '$') return add(Token::Kind::currency, "dollar"), true;
      if (next == '(' || next == ')' || next == '[' || next == ']') return true;  // mathematics begins or ends
      return spaced_ = next == ',' || next == ' ' || next == ';' || next == ':' || next == '!' || next == '\n';
    }
    const std::size_t begin = ++at_;
    while (letter(peek())) ++at_;
    const std::string_view name = text_.substr(begin, at_ - begin);
    switch (command_kind(name)) {
      case CommandKind::ignored:
        if ((name == "left" || name == "right") && peek() == '.') ++at_;
        return spaced_ = true;
      case CommandKind::style: return styled();
      case CommandKind::argument:
        return add(Token::Kind::command, name.ends_with("frac") ? "frac" : name.ends_with("binom") ? "binom" : name), true;
      case CommandKind::function: return add(Token::Kind::function, name), true;
      case CommandKind::name: break;
    }
    if (const char sign = command_sign(name)) return add_sign(sign);
    if (name == "infty") return add(Token::Kind::name, "oo"), true;
    if (name == "varnothing") return add(Token::Kind::name, "emptyset"), true;
    return add(Token::Kind::name, name), true;
  }

  std::string_view text_;
  Comma comma_;
  std::size_t at_ = 0;
  bool spaced_ = false;
  bool dollar_is_currency_ = false;
  std::vector<Token> tokens_;
};

}  // namespace

std::optional<std::vector<Token>> lex_math(std::string_view text, Comma comma) {
  if (text.size() > kMaxBytes) return std::nullopt;
  return Lexer(text, comma).run();
}

}  // namespace grpo::math
