/// Template source -> tokens, with trim_blocks and lstrip_blocks on as transformers has them.
///
/// A newline behind a tag is dropped, whitespace before a tag that opens a line is dropped, and - or + beside a tag
/// override that. One newline at the end of the template is dropped.
#pragma once

#include "libgrpo/text/jinja_limits.hpp"

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace grpo::jinja {

enum class TokenKind { data, print_begin, print_end, tag_begin, tag_end, name, text, integer, number, symbol, end };

struct Token {
  TokenKind kind = TokenKind::end;
  std::string text;  ///< data, name, symbol as written; a string literal without quotes and escapes
  std::int64_t integer = 0;
  double number = 0;
  int line = 1;
  std::size_t begin = 0;  ///< in the normalised source
  std::size_t end = 0;

  [[nodiscard]] bool is_name(std::string_view name) const { return kind == TokenKind::name && text == name; }
  [[nodiscard]] bool is_symbol(std::string_view symbol) const { return kind == TokenKind::symbol && text == symbol; }
};

/// A template that does not parse: what is wrong, and where.
class SyntaxFailure : public std::runtime_error {
 public:
  SyntaxFailure(const std::string& what, int line, std::size_t offset) : std::runtime_error(what), line_(line), offset_(offset) {}
  [[nodiscard]] int line() const { return line_; }
  [[nodiscard]] std::size_t offset() const { return offset_; }

 private:
  int line_;
  std::size_t offset_;
};

/// Line ends as \n, without the last one.
std::string normalise_source(std::string_view source);
/// What a string literal means; `text` stands between the quotes. throws: Failure for an escape that is no character
std::string unescape(std::string_view text);
/// Of a digit in any base up to 16; 99 for any other character.
int hex_value(char c);
/// `source` is normalised and valid UTF-8; the last token is `end`. throws: SyntaxFailure
std::vector<Token> tokenize(std::string_view source);

}  // namespace grpo::jinja
