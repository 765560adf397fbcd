#include "libgrpo/text/jinja_parser.hpp"

#include <algorithm>
#include <initializer_list>

namespace grpo::jinja {
namespace {

class Parser : public ExprParser {
 public:
  using ExprParser::ExprParser;

  Body run() {
    Body body = statements({});
    refuse_unknown(0);
    return body;
  }

 private:
  using Ends = std::initializer_list<std::string_view>;

  /// Statements up to one of the end tags, whose name is then the current token; up to the end of the template if none.
  Body statements(Ends ends) {
    const Level level(*this);
    Body body;
    for (;;) {
      const Token& token = now();
      if (token.kind == TokenKind::end) {
        if (ends.size() == 0) return body;
        fail("the template ends before '" + std::string(*std::prev(ends.end())) + "'");
      }
      auto statement = std::make_unique<Stmt>();
      statement->place = Place{token.line, token.begin, token.end};
      if (token.kind == TokenKind::data) {
        statement->kind = StmtKind::text;
        statement->text = take().text;
      } else if (token.kind == TokenKind::print_begin) {
        take();
        statement->kind = StmtKind::print;
        statement->value = tuple();
        if (now().kind != TokenKind::print_end) fail("expected '}}'" + got());
        statement->place.end = take().end;
      } else {
        take();
        if (now().kind != TokenKind::name) fail("expected the name of a tag");
        if (std::any_of(ends.begin(), ends.end(), [&](std::string_view end) { return now().is_name(end); })) return body;
        if (!tag(*statement, body)) continue;
      }
      body.push_back(std::move(statement));
    }
  }

  [[nodiscard]] std::string got() const { return now().text.empty() ? "" : ", got '" + now().text + "'"; }

  void end_tag() {
    if (now().kind != TokenKind::tag_end) fail("expected '%}'" + got());
    take();
  }

  /// The body of a tag, and the closing tag with its name.
  Body block(std::string_view end) {
    const std::size_t known = unknown_.size();
    skip_symbol(":");
    end_tag();
    Body body = statements({end});
    take();
    if (end != "endif") refuse_unknown(known);
    return body;
  }

  /// Reads one statement from its name to its last "%}". false if it became other statements in `body`
  bool tag(Stmt& statement, Body& body) {
    const std::string name = now().text;
    const auto is = [&](std::string_view tag_name) { return name == tag_name; };
    if (is("print")) {
      print_tag(statement.place, body);
      return false;
    }
    take();
    if (is("if")) {
      branch(statement);
    } else if (is("for")) {
      loop(statement);
    } else if (is("set")) {
      set(statement);
    } else if (is("macro")) {
      statement.kind = StmtKind::macro;
      statement.macro = std::make_unique<Macro>();
      statement.macro->name = expect_name();
      parameters(*statement.macro);
      macro_body(*statement.macro, "endmacro");
    } else if (is("call")) {
      call_block(statement);
    } else if (is("generation")) {
      // transformers runs the body as the caller of a function that returns its text
      statement.kind = StmtKind::scope;
      outside_loops(statement.body, "endgeneration");
    } else if (is("filter")) {
      statement.kind = StmtKind::filter;
      statement.value = filters(nullptr, true);
      statement.body = block("endfilter");
    } else if (is("with")) {
      with(statement);
    } else if (is("break") || is("continue")) {
      if (loops_ == 0) fail("'" + name + "' outside of a loop");
      statement.kind = is("break") ? StmtKind::stop : StmtKind::next;
    } else {
      fail("unknown or unsupported tag '" + name + "'");
    }
    if (now().kind == TokenKind::tag_end) statement.place.end = now().end;
    end_tag();
    return true;
  }

  void print_tag(const Place& place, Body& body) {
    take();
    bool first = true;
    while (now().kind != TokenKind::tag_end) {
      if (!first) expect_symbol(",");
      first = false;
      auto statement = std::make_unique<Stmt>();
      statement->kind = StmtKind::print;
      statement->place = place;
      statement->value = expression();
      body.push_back(std::move(statement));
    }
    end_tag();
  }

  void branch(Stmt& statement) {
    statement.kind = StmtKind::branch;
    for (;;) {
      const std::size_t known = unknown_.size();
      ExprPtr test = tuple(false);
      skip_symbol(":");
      statement.place.end = now().end;
      end_tag();
      Body body = statements({"elif", "else", "endif"});
      statement.branches.emplace_back(std::move(test), std::move(body));
      forget_unknown(known);
      if (skip_name("elif")) continue;
      if (skip_name("else")) {
        statement.branches.emplace_back(nullptr, block("endif"));
        forget_unknown(known);
      } else {
        take();
      }
      return;
    }
  }

  void loop(Stmt& statement) {
    statement.kind = StmtKind::loop;
    statement.target = target(false, "in");
    if (!skip_name("in")) fail("expected 'in'" + got());
    statement.value = tuple(false, "recursive");
    if (skip_name("if")) statement.test = expression();
    statement.recursive = skip_name("recursive");
    skip_symbol(":");
    end_tag();
    const std::size_t known = unknown_.size();
    ++loops_;
    statement.body = statements({"else", "endfor"});
    --loops_;
    if (skip_name("else")) {
      statement.otherwise = block("endfor");
    } else {
      take();
    }
    refuse_unknown(known);
  }

  void set(Stmt& statement) {
    statement.target = target(true);
    if (skip_symbol("=")) {
      statement.kind = StmtKind::set;
      statement.value = tuple();
      return;
    }
    statement.kind = StmtKind::set_block;
    if (now().is_symbol("|")) statement.value = filters(nullptr);
    statement.body = block("endset");
  }

  void parameters(Macro& macro) {
    expect_symbol("(");
    bool presets = false;
    while (!now().is_symbol(")")) {
      if (!macro.parameters.empty()) expect_symbol(",");
      Parameter parameter;
      parameter.name = expect_name();
      if (skip_symbol("=")) {
        parameter.preset = expression();
        presets = true;
      } else if (presets) {
        fail("a parameter without a default behind one with a default");
      }
      macro.parameters.push_back(std::move(parameter));
    }
    expect_symbol(")");
  }

  void outside_loops(Body& body, std::string_view end) {
    const int loops = std::exchange(loops_, 0);
    body = block(end);
    loops_ = loops;
  }

  void macro_body(Macro& macro, std::string_view end) {
    const Mentions before = mentions_;
    outside_loops(macro.body, end);
    const auto is_parameter = [&](std::string_view name) {
      return std::any_of(macro.parameters.begin(), macro.parameters.end(),
                         [&](const Parameter& parameter) { return parameter.name == name; });
    };
    macro.takes_varargs = mentions_.varargs > before.varargs && !is_parameter("varargs");
    macro.takes_kwargs = mentions_.kwargs > before.kwargs && !is_parameter("kwargs");
    macro.takes_caller = mentions_.caller > before.caller && !is_parameter("caller");
  }

  void call_block(Stmt& statement) {
    statement.kind = StmtKind::call_block;
    statement.macro = std::make_unique<Macro>();
    statement.macro->name = "caller";
    if (now().is_symbol("(")) parameters(*statement.macro);
    statement.value = expression();
    if (statement.value->kind != ExprKind::call) fail("expected a call behind 'call'");
    macro_body(*statement.macro, "endcall");
  }

  void with(Stmt& statement) {
    statement.kind = StmtKind::scope;
    while (now().kind != TokenKind::tag_end) {
      if (!statement.assignments.empty()) expect_symbol(",");
      ExprPtr name = target(false);
      expect_symbol("=");
      statement.assignments.emplace_back(std::move(name), expression());
    }
    statement.body = block("endwith");
  }

  int loops_ = 0;
};

}  // namespace

Body parse(std::string_view source) { return Parser(tokenize(source)).run(); }

}  // namespace grpo::jinja
