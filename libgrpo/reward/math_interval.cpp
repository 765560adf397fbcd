// The set of numbers that an inequality says: x < 5 is (-oo, 5).
#include "libgrpo/reward/math_tree.inl"

#include <utility>

namespace grpo::math {

std::optional<Node> interval_of(const Node& relation) {
  const std::vector<Node>& kids = relation.kids;
  const std::string& signs = relation.text;
  const auto less = [](char c) { return c == '<' || c == 'l'; };
  const auto more = [](char c) { return c == '>' || c == 'g'; };
  const auto closed = [](char c) { return c == 'l' || c == 'g'; };
  const Node infinite{Op::symbol, "oo", 0, {}};
  const Node minus_infinite{Op::multiply, {}, 0, {{Op::number, {}, -1, {}}, infinite}};
  const auto between = [](Node low, bool low_closed, Node high, bool high_closed) {
    return Node{Op::tuple, std::string(low_closed ? "[" : "(") + (high_closed ? "]" : ")"), 0, {std::move(low), std::move(high)}};
  };
  if (signs.size() == 1 && (less(signs[0]) || more(signs[0]))) {
    const bool left = kids[0].op == Op::symbol;
    if (left == (kids[1].op == Op::symbol && kids[1].text != "pi" && kids[1].text != "e")) return std::nullopt;
    const Node& bound = kids[left ? 1 : 0];
    return less(signs[0]) == left ? between(minus_infinite, false, bound, closed(signs[0]))
                                  : between(bound, closed(signs[0]), infinite, false);
  }
  if (signs.size() == 2 && kids[1].op == Op::symbol) {
    if (less(signs[0]) && less(signs[1])) return between(kids[0], closed(signs[0]), kids[2], closed(signs[1]));
    if (more(signs[0]) && more(signs[1])) return between(kids[2], closed(signs[1]), kids[0], closed(signs[0]));
  }
  return std::nullopt;
}

}  // namespace grpo::math
