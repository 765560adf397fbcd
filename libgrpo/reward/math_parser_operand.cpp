// What a factor may begin with: numbers, names, functions, commands, brackets, words.
#include "libgrpo/reward/math_parser.inl"

namespace grpo::math {

std::optional<Rational> decimal(std::string_view text) {
  const std::size_t e = text.find('e');
  long exponent = 0;
  if (e != std::string_view::npos) {
    const std::string digits(text.substr(e + 1));
    if (digits.size() > 4) return std::nullopt;
    exponent = std::stol(digits);
    text = text.substr(0, e);
  }
  std::string digits;
  const std::size_t point = text.find('.');
  for (const char c : text) {
    if (c != '.') digits += c;
  }
  if (point != std::string_view::npos) exponent -= static_cast<long>(text.size() - point - 1);
  if (exponent > 300 || exponent < -static_cast<long>(kMaxDigits)) return std::nullopt;
  digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size() - 1));  // a leading 0 would mean octal
  const Integer value(digits);
  if (exponent >= 0) return Rational(value * power_of_ten(static_cast<std::size_t>(exponent)));
  return Rational(value, power_of_ten(static_cast<std::size_t>(-exponent)));
}

Node Parser::fraction() {
  ++at_;
  Node numerator = argument();
  Node denominator = argument();
  return quotient(std::move(numerator), std::move(denominator));
}

Node Parser::mixed(Node whole) {
  const bool latex = is_command("frac");
  const auto plain_integer = [](const Token& t) {
    return t.kind == Kind::number && t.text.find_first_not_of("0123456789") == std::string::npos;
  };
  const bool plain = plain_integer(now()) && now().spaced && ahead(1).kind == Kind::sign && ahead(1).sign == '/' && plain_integer(ahead(2));
  if (!latex && !plain) return whole;
  Node part;
  if (latex) {
    part = fraction();
  } else {
    part = quotient(number(*decimal(now().text)), number(*decimal(ahead(2).text)));
    at_ += 3;
  }
  if (failed_) return part;
  const Node& top = part.kids[0];
  const Node& bottom = part.kids[1].kids[0];
  const bool proper = top.op == Op::number && bottom.op == Op::number && top.number >= 0 && top.number < bottom.number &&
                      denominator(top.number) == 1 && denominator(bottom.number) == 1;
  if (!proper) return plain ? fail() : two(Op::multiply, std::move(whole), std::move(part));
  return two(Op::add, std::move(whole), std::move(part));
}

Node Parser::number_token() {
  const std::string text = now().text;
  ++at_;
  std::optional<Rational> value = decimal(text);
  if (!value) return fail();
  if (is_command("overline") || is_command("bar")) return repeating(*value, text);
  if (is('_')) return in_base(text);
  Node node = number(*value);
  return text.find_first_not_of("0123456789") == std::string::npos ? mixed(std::move(node)) : node;
}

Node Parser::repeating(const Rational& value, const std::string& text) {
  const std::size_t point = text.find('.');
  const std::size_t places = point == std::string::npos ? 0 : text.size() - point - 1;
  ++at_;
  if (!take('{') || now().kind != Kind::number) return fail();
  const std::string digits = now().text[0] == '.' && places == 0 ? "" : now().text;
  ++at_;
  need('}');
  if (failed_ || digits.empty() || digits.find_first_not_of("0123456789") != std::string::npos || digits.size() > 50) return fail();
  return number(value + *decimal(digits) / Rational((power_of_ten(digits.size()) - 1) * power_of_ten(places)));
}

Node Parser::in_base(const std::string& text) {
  ++at_;
  const Node base = argument();
  if (failed_ || base.op != Op::number || base.number < 2 || base.number > 10) return fail();
  const Integer radix = numerator(base.number);
  Integer value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9' || Integer(c - '0') >= radix) return fail();
    value = value * radix + (c - '0');
  }
  return number(Rational(value));
}

Node Parser::name() {
  Node node = make(Op::symbol, {}, now().text);
  ++at_;
  if (take('_')) {
    if (take('{')) {
      node.text += '_';
      for (; !at_end() && !is('}'); ++at_) node.text += now().kind == Kind::sign ? std::string(1, now().sign) : now().text;
      need('}');
    } else {
      node.text += '_' + (now().kind == Kind::sign ? std::string(1, now().sign) : now().text);
      if (!at_end()) ++at_;
    }
  }
  const bool call = (node.text == "f" || node.text == "g" || node.text == "h") && is('(');
  return call ? one(Op::function, primary(), node.text) : node;
}

Node Parser::function() {
  std::string name = now().text;
  ++at_;
  std::optional<Node> base, power;
  for (int i = 0; i < 2 && !failed_; ++i) {
    if (!base && take('_')) base = argument();
    if (!power && take('^')) power = exponent();
  }
  if (power && power->op == Op::number && power->number == -1 && (name == "sin" || name == "cos" || name == "tan")) {
    name = "arc" + name;
    power.reset();
  }
  Node inner;
  if (is('(') || is('{')) {
    inner = primary();
  } else {
    inner = factor();
    while (!failed_ && begins_factor() && now().kind != Kind::function && !is('(')) inner = two(Op::multiply, std::move(inner), factor());
  }
  if (name == "asin" || name == "acos" || name == "atan") name = "arc" + name.substr(1);
  Node node = name == "exp" ? two(Op::power, make(Op::symbol, {}, "e"), std::move(inner))
                            : one(Op::function, std::move(inner),
                                  base            ? "ln"
                                  : name == "log" ? "ln"
                                                  : name);
  if (base) node = quotient(std::move(node), one(Op::function, std::move(*base), "ln"));
  return power ? two(Op::power, std::move(node), std::move(*power)) : node;
}

Node Parser::command() {
  if (is_command("frac")) return fraction();
  const std::string name = now().text;
  ++at_;
  if (name == "sqrt") {
    Node index = number(2);
    if (take('[')) {
      index = sum();
      need(']');
    }
    return two(Op::root, is('(') ? primary() : argument(), std::move(index));
  }
  if (name == "binom") {
    Node top = argument();
    return two(Op::function, std::move(top), argument(), "binom");
  }
  if (name == "mathbb") {
    const Node set = argument();
    return set.op == Op::symbol ? make(Op::symbol, {}, "mathbb{" + set.text + "}") : fail();
  }
  return name == "begin" ? matrix() : fail();
}

Node Parser::matrix() {
  std::string kind;
  const auto environment = [this] {
    std::string text;
    need('{');
    for (; now().kind == Kind::name || now().kind == Kind::word; ++at_) text += now().text;
    need('}');
    return text;
  };
  kind = environment();
  if (kind == "array") {
    need('{');
    while (!at_end() && !is('}')) ++at_;
    need('}');
  } else if (kind != "pmatrix" && kind != "bmatrix" && kind != "matrix") {
    return fail();
  }
  std::vector<Node> rows;
  while (!failed_ && !is_command("end")) {
    std::vector<Node> row;
    do row.push_back(relation());
    while (!failed_ && take('&'));
    rows.push_back(make(Op::list, std::move(row)));
    if (!take('R')) break;
  }
  if (!is_command("end")) return fail();
  ++at_;
  if (environment() != kind) return fail();
  return make(Op::matrix, std::move(rows));
}

Node Parser::bracketed() {
  const char open = now().sign;
  ++at_;
  const int bars = std::exchange(bars_, 0);
  std::vector<Node> items;
  if (!(open == 'S' && is('T'))) {
    Node inner = statement();
    if (inner.op == Op::list) {
      items = std::move(inner.kids);
    } else {
      items.push_back(std::move(inner));
    }
  }
  bars_ = bars;
  if (failed_) return {};
  const char close = now().kind == Kind::sign ? now().sign : '\0';
  ++at_;
  if (at_ >= tokens_.size()) return fail();
  if (open == 'S' && close == 'T') return make(Op::set, std::move(items));
  if (open == '{' && close == '}') return items.size() == 1 ? std::move(items.front()) : make(Op::set, std::move(items));
  const bool matching = (open == '(' || open == '[') && (close == ')' || close == ']');
  if (!matching) return fail();
  if (items.size() == 1)
    return open == '(' && close == ')'   ? std::move(items.front())
           : open == '[' && close == ']' ? make(Op::tuple, std::move(items), "[]")
                                         : fail();
  return make(Op::tuple, std::move(items), {open, close});
}

}  // namespace grpo::math
