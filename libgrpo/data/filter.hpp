/// Which rows count, as an expression over their columns: `level <= 3 and (source in ["amc", "aime"] or not tags contains "hard")`.
///
///     or       = and { "or" and }              and  = not { "and" not }         not = "not" not | test
///     test     = "(" or ")" | value [ ("<" | "<=" | ">" | ">=" | "==" | "=" | "!=") value
///                                   | ["not"] "in" "[" value { "," value } "]" | ["not"] "contains" value ]
///     value    = number | 'text' | "text" | true | false | null | column | `column with blanks`
///
/// Numbers compare as numbers, also with text that is one ("3"); texts compare byte by byte. null equals null alone and is neither
/// below nor above anything. `contains` looks for a text within a text, or for an element of a list. Words are lower case.
/// Internal to data/.
#pragma once

#include "libgrpo/data/table.hpp"

#include <memory>
#include <string>
#include <vector>

namespace grpo::detail {

class Filter {
 public:
  /// throws: Error{recipe} that shows the expression with a caret under the place
  explicit Filter(const std::string& expression);
  Filter(Filter&&) noexcept;
  ~Filter();

  /// throws: Error{data} with the reason alone: a column that is not there, or `<` between things without an order
  [[nodiscard]] bool matches(const Columns& row) const;
  /// Names of the columns it looks at.
  [[nodiscard]] std::vector<std::string> columns() const;

  struct Node;

 private:
  std::unique_ptr<Node> root_;
};

}  // namespace grpo::detail
