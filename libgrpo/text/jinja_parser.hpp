/// Tokens -> tree: jinja2's grammar without inheritance and imports.
///
/// Recursive descent with a limit on nesting; long chains of one operator are limited too, as they make a deep tree.
#pragma once

#include "libgrpo/text/jinja_lexer.hpp"
#include "libgrpo/text/jinja_syntax.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace grpo::jinja {

/// `source` is normalised. throws: SyntaxFailure
Body parse(std::string_view source);

/// The half of the parser that reads expressions.
class ExprParser {
 public:
  explicit ExprParser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

 protected:
  /// One more level of brackets or tags, for as long as it lives.
  class Level {
   public:
    explicit Level(ExprParser& parser);
    ~Level() { --parser_.level_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    ExprParser& parser_;
  };

  [[nodiscard]] const Token& now() const { return tokens_[at_]; }
  [[nodiscard]] const Token& ahead() const { return tokens_[at_ + 1 < tokens_.size() ? at_ + 1 : at_]; }
  const Token& take();
  bool skip_name(std::string_view name);
  bool skip_symbol(std::string_view symbol);
  void expect_symbol(std::string_view symbol);
  std::string expect_name();
  [[noreturn]] void fail(const std::string& what) const;
  static std::string describe(const Token& token);

  /// `conditional`: whether "a if b else c" may appear (not where a statement has its own if).
  ExprPtr expression(bool conditional = true);
  /// One expression, or a tuple without parentheses; `stop` ends it.
  ExprPtr tuple(bool conditional = true, std::string_view stop = {}, bool in_parentheses = false);
  /// Names, tuples of names and, if allowed, namespace attributes.
  ExprPtr target(bool allow_namespace, std::string_view stop = {});
  ExprPtr filters(ExprPtr input, bool first_without_bar = false);

  /// How often each of these names was read; a macro takes what its body mentions.
  struct Mentions {
    int varargs = 0, kwargs = 0, caller = 0;
  };
  Mentions mentions_;

  /// Filters and tests that do not exist. As in jinja2 they are refused at once, but inside an `if` only when they run.
  struct Unknown {
    std::string what;
    int line = 1;
    std::size_t offset = 0;
  };
  void refuse_unknown(std::size_t since) const;
  void forget_unknown(std::size_t since) { unknown_.resize(since); }
  std::vector<Unknown> unknown_;

 private:
  ExprPtr condition();
  ExprPtr either();
  ExprPtr both();
  ExprPtr negation();
  ExprPtr comparison();
  ExprPtr sum();
  ExprPtr concatenation();
  ExprPtr product();
  ExprPtr power();
  ExprPtr unary(bool with_filters = true);
  ExprPtr primary();
  ExprPtr postfix(ExprPtr node);
  ExprPtr filters_and_tests(ExprPtr node);
  ExprPtr test(ExprPtr input);
  ExprPtr subscript(ExprPtr object);
  ExprPtr subscript_item();
  ExprPtr call(ExprPtr function);
  ExprPtr list_literal();
  ExprPtr dict_literal();
  ExprPtr target_item(bool allow_namespace);
  CallArguments call_arguments();

  ExprPtr make(ExprKind kind, const Token& first);
  /// Sets the node's end and depth from its children.
  ExprPtr done(ExprPtr node);
  ExprPtr binary(ExprKind kind, std::string name, ExprPtr left, ExprPtr right);

  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int level_ = 0;
};

}  // namespace grpo::jinja
