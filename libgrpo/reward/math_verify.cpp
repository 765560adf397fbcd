#include "libgrpo/reward/math_verify.hpp"

#include "libgrpo/reward/math_numeric.inl"
#include "libgrpo/reward/math_value.inl"

#include <algorithm>

namespace grpo {
namespace {

using namespace math;

constexpr std::size_t kMaxItems = 40;  // of a set or tuple
constexpr int kMaxComparisons = 400;

// Without dollars, \text, what only shapes the formula, and spaces but between digits. Words lose their braces and capitals, too; where digits
// are, both matter: \frac{1}{23} is not \frac{12}{3}.
std::string spelled(std::string_view text) {
  const bool words = text.find_first_of("0123456789") == std::string_view::npos;
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  std::string out;
  bool space = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    std::size_t skipped = 0;
    for (const std::string_view word : {"\\left", "\\right", "\\text", "\\mathrm", "\\,", "\\!", "\\;", "\\ "}) {
      const std::string_view behind = text.substr(std::min(i + word.size(), text.size()));
      const bool longer =
          word.size() > 2 && !behind.empty() && ((behind[0] >= 'a' && behind[0] <= 'z') || (behind[0] >= 'A' && behind[0] <= 'Z'));
      if (skipped == 0 && !longer && text.substr(i).starts_with(word)) skipped = word.size();
    }
    if (skipped > 0 || c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '$' || (words && (c == '{' || c == '}'))) {
      i += skipped > 0 ? skipped - 1 : 0;
      space = true;
      continue;
    }
    if (space && digit(c) && !out.empty() && digit(out.back())) out += ' ';
    space = false;
    out += words && c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  while (!out.empty() && out.back() == '.') out.pop_back();
  return out;
}

bool has_plus_minus(const Node& node) {
  return node.op == Op::plus_minus || std::any_of(node.kids.begin(), node.kids.end(), has_plus_minus);
}

Node with_sign(const Node& node, bool upper) {
  if (node.op == Op::plus_minus) {
    Node inner = with_sign(node.kids[0], upper);
    if ((node.text == "+") == upper) return inner;
    return {Op::multiply, {}, 0, {{Op::number, {}, -1, {}}, std::move(inner)}};
  }
  Node out{node.op, node.text, node.number, {}};
  for (const Node& kid : node.kids) out.kids.push_back(with_sign(kid, upper));
  return out;
}

bool is_name(const Node& node) {
  return node.op == Op::symbol || node.op == Op::text || (node.op == Op::function && node.text.size() == 1) ||
         (node.op == Op::tuple && std::all_of(node.kids.begin(), node.kids.end(), [](const Node& k) { return k.op == Op::symbol; }));
}

bool is_scalar(const Node& node) { return node.op <= Op::unit && node.op != Op::plus_minus; }
bool is_listed(const Node& node) { return node.op == Op::list || node.op == Op::set; }

class Comparison {
 public:
  bool same(const Node& gold, const Node& answer) {
    if (++comparisons_ > kMaxComparisons || ++depth_ > kMaxDepth) return false;
    const bool result = same_at_depth(gold, answer);
    --depth_;
    return result;
  }

 private:
  bool same_at_depth(const Node& gold, const Node& answer) {
    if (gold.op == Op::relation && answer.op == Op::relation) {
      if (same_relations(gold, answer)) return true;
      const auto g = reduced(gold), a = reduced(answer);
      return g && a && g->op != Op::relation && a->op != Op::relation && same_names(gold, answer) && same(*g, *a);
    }
    if (gold.op == Op::relation || answer.op == Op::relation) {
      const bool of_gold = gold.op == Op::relation;
      const auto inner = reduced(of_gold ? gold : answer);
      return inner && (of_gold ? same(*inner, answer) : same(gold, *inner));
    }
    if (is_listed(gold) && gold.kids.size() == 1 && !is_listed(answer)) return same(gold.kids[0], answer);
    if (is_listed(answer) && answer.kids.size() == 1 && !is_listed(gold)) return same(gold, answer.kids[0]);
    if (is_listed(gold) && is_listed(answer)) return same_sets(gold.kids, answer.kids);
    if (gold.op == Op::tuple && answer.op == Op::list) return gold.text == "()" && same_in_order(gold.kids, answer.kids);
    if (gold.op == Op::list && answer.op == Op::tuple) return answer.text == "()" && same_in_order(gold.kids, answer.kids);
    if (gold.op == Op::text && answer.op == Op::text) return spelled(gold.text) == spelled(answer.text);
    if (gold.op == Op::text && is_scalar(answer)) return is_product(gold) && same_scalars(letters(gold), answer);
    if (answer.op == Op::text && is_scalar(gold)) return is_product(answer) && same_scalars(gold, letters(answer));
    if (is_scalar(gold) && is_scalar(answer)) return same_scalars(gold, answer);
    if (gold.op != answer.op) return false;
    if (gold.op == Op::tuple) {
      // (0, 1) and [0, 1] are different intervals; of three or more, brackets are a matter of taste.
      const bool brackets =
          gold.text == answer.text || (gold.kids.size() > 2 && gold.text[0] == gold.text[1] - (gold.text[0] == '(' ? 1 : 2));
      return brackets && same_in_order(gold.kids, answer.kids);
    }
    if (gold.op == Op::matrix) return same_in_order(gold.kids, answer.kids, /*lists=*/true);
    if (gold.op == Op::unite) return same_unions(gold, answer);
    return false;
  }

  // A run of letters was read as a word; against a formula it is a product.
  static bool is_product(const Node& word) { return word.text.size() < 8 && word.text.find_first_of(" -./'") == std::string::npos; }
  static Node letters(const Node& word) {
    Node product{Op::multiply, {}, 0, {}};
    for (const char c : word.text) product.kids.push_back({Op::symbol, std::string(1, c), 0, {}});
    return product;
  }

  bool same_in_order(const std::vector<Node>& gold, const std::vector<Node>& answer, bool lists = false) {
    if (gold.size() != answer.size() || gold.size() > kMaxItems) return false;
    for (std::size_t i = 0; i < gold.size(); ++i) {
      if (lists ? !same_in_order(gold[i].kids, answer[i].kids) : !same(gold[i], answer[i])) return false;
    }
    return true;
  }

  // Each element of one is in the other.
  bool same_sets(const std::vector<Node>& gold, const std::vector<Node>& answer) {
    if (gold.size() > kMaxItems || answer.size() > kMaxItems || gold.empty() != answer.empty()) return false;
    const auto within = [](const std::vector<Node>& these, const std::vector<Node>& those, auto&& equal) {
      return std::all_of(these.begin(), these.end(), [&](const Node& x) {
        return std::any_of(those.begin(), those.end(), [&](const Node& y) { return equal(x, y); });
      });
    };
    return within(gold, answer, [&](const Node& g, const Node& a) { return same(g, a); }) &&
           within(answer, gold, [&](const Node& a, const Node& g) { return same(g, a); });
  }

  static void flatten(const Node& node, std::vector<Node>& parts) {
    if (node.op == Op::unite && node.text == "U") {
      for (const Node& kid : node.kids) flatten(kid, parts);
    } else {
      parts.push_back(node);
    }
  }

  bool same_unions(const Node& gold, const Node& answer) {
    if (gold.text != answer.text) return false;
    if (gold.text == "\\") return same_in_order(gold.kids, answer.kids);
    if (gold.text == "I") return same_sets(gold.kids, answer.kids);
    std::vector<Node> left, right;
    flatten(gold, left);
    flatten(answer, right);
    return same_sets(left, right);
  }

  // The two equations or inequalities say the same: their differences are proportional.
  bool same_relations(const Node& gold, const Node& answer) {
    if (gold.text.size() == 1 && answer.text.size() == 1) {
      const auto turned = [](char c) { return c == '>' ? '<' : c == 'g' ? 'l' : c; };
      const bool swap_gold = turned(gold.text[0]) != gold.text[0], swap_answer = turned(answer.text[0]) != answer.text[0];
      if (turned(gold.text[0]) != turned(answer.text[0])) return false;
      if (gold.text[0] != 'e') {
        Algebra algebra;
        const auto g = sides(algebra, gold, swap_gold), a = sides(algebra, answer, swap_answer);
        const bool any_sign = gold.text[0] == '=' || gold.text[0] == 'n';
        if (g && a && !algebra.exhausted() && algebra.proportional(*g, *a, any_sign)) return true;
        if (gold.text[0] == '=' || g || a) return false;
      }
    }
    return gold.text == answer.text && same_in_order(gold.kids, answer.kids);
  }

  static std::optional<Value> sides(Algebra& algebra, const Node& relation, bool swap) {
    const auto left = algebra.value(relation.kids[swap ? 1 : 0]), right = algebra.value(relation.kids[swap ? 0 : 1]);
    if (!left || !right) return std::nullopt;
    return algebra.difference(*left, *right);
  }

  // What a relation speaks of: the x of x = 5, 5 > x and 1 < x < 2; null if that is no name.
  static const Node* unknown(const Node& relation) {
    const std::vector<Node>& kids = relation.kids;
    if (is_name(kids[0])) return &kids[0];
    return is_name(kids[1]) ? &kids[1] : nullptr;
  }

  // x = 5 and y = 5 are different; x = 5 and 5 = x are not.
  static bool same_names(const Node& gold, const Node& answer) {
    const Node *g = unknown(gold), *a = unknown(answer);
    return g == nullptr || a == nullptr || (g->op == a->op && g->text == a->text);
  }

  // What a relation says of its unknown: the value of x in x = 5, the set in x \in S, the interval of 1 < x <= 2, the last part of a true chain.
  std::optional<Node> reduced(const Node& relation) {
    const std::vector<Node>& kids = relation.kids;
    if (relation.text == "e") return kids[1];
    if (relation.text.find_first_not_of('=') == std::string::npos) {
      if (is_name(kids[0])) return kids.back();
      if (kids.size() == 2 && kids[1].op == Op::symbol) return kids[0];
      for (std::size_t i = 0; i + 1 < kids.size(); ++i) {
        if (!same(kids[i], kids.back())) return std::nullopt;
      }
      return kids.back();
    }
    return interval_of(relation);
  }

  // A unit that one side leaves out does not matter; two different ones do. A percent is also its hundredth.
  bool same_scalars(const Node& gold, const Node& answer) {
    const bool gold_unit = gold.op == Op::unit, answer_unit = answer.op == Op::unit;
    if (gold_unit && answer_unit) {
      if (gold.text == answer.text) return same_values(gold.kids[0], answer.kids[0]);
      return is_ratio(gold) && is_ratio(answer) && same_values(gold, answer);
    }
    if (gold_unit || answer_unit) {
      const Node& with = gold_unit ? gold : answer;
      const Node& without = gold_unit ? answer : gold;
      return same_values(with.kids[0], without) || (is_ratio(with) && same_values(with, without));
    }
    return same_values(gold, answer);
  }

  static bool is_ratio(const Node& unit) { return unit.text == "%" || unit.text == "degree"; }

  static bool same_values(const Node& gold, const Node& answer) {
    if (gold.op == Op::number && answer.op == Op::number) return gold.number == answer.number;
    Algebra algebra;
    const auto g = algebra.value(gold);
    if (!g) return false;
    const auto a = algebra.value(answer);
    if (!a) return false;
    if (algebra.same(*g, *a)) return !algebra.exhausted();
    return !algebra.decided() && !algebra.exhausted() && same_number(gold, answer);
  }

  int comparisons_ = 0;
  int depth_ = 0;
};

std::optional<Node> tree(std::string_view text, Comma comma) {
  std::optional<Node> node = parse_math(text, comma);
  if (!node || !has_plus_minus(*node)) return node;
  const bool equation = node->op == Op::relation && node->text == "=" && is_name(node->kids[0]);
  const Node& inner = equation ? node->kids[1] : *node;
  return Node{Op::set, {}, 0, {with_sign(inner, true), with_sign(inner, false)}};
}

}  // namespace

struct MathGold::Trees {
  std::optional<Node> tree[2];
  bool made[2] = {false, false};

  const std::optional<Node>& get(std::string_view text, Comma comma) {
    const auto i = static_cast<std::size_t>(comma);
    if (!made[i]) tree[i] = grpo::tree(text, comma);
    made[i] = true;
    return tree[i];
  }
};

MathGold::MathGold(std::string text) : text_(std::move(text)), trees_(std::make_shared<Trees>()) {}

MathVerdict compare_math(std::string_view gold, std::string_view answer) { return MathGold(std::string(gold)).compare(answer); }

MathVerdict MathGold::compare(std::string_view answer) {
  const std::string_view gold = text_;
  if (gold.size() > kMaxBytes || answer.size() > kMaxBytes)
    return gold == answer ? MathVerdict{true, "spelled alike"} : MathVerdict{false, "too long to compare"};
  const std::string plain_gold = spelled(gold), plain_answer = spelled(answer);
  if (plain_answer.empty() || plain_gold.empty()) return {false, "empty"};
  const bool numbers = gold.find_first_of("0123456789") != std::string_view::npos;
  if (gold == answer || (numbers && plain_gold == plain_answer)) return {true, "spelled alike"};
  const bool commas = gold.find(',') != std::string_view::npos || answer.find(',') != std::string_view::npos;
  bool parsed = false;
  for (const Comma gold_comma : {Comma::thousands, Comma::separator}) {
    const auto& g = trees_->get(gold, gold_comma);
    for (const Comma answer_comma : {Comma::thousands, Comma::separator}) {
      const auto a = g ? tree(answer, answer_comma) : std::nullopt;
      if (g && a && Comparison().same(*g, *a)) return {true, "the same value"};
      parsed = parsed || (g && a);
      if (!commas) break;
    }
    if (!commas) break;
  }
  if (parsed) return {false, "another value"};
  return plain_gold == plain_answer ? MathVerdict{true, "spelled alike"}
                                    : MathVerdict{false, "not read as mathematics, and spelled otherwise"};
}

}  // namespace grpo
