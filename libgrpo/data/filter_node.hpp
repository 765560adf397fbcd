/// The tree of a filter. Internal to filter*.cpp.
#pragma once

#include "libgrpo/data/filter.hpp"

namespace grpo::detail {

enum class FilterOp { both, either, negate, less, less_equal, greater, greater_equal, equal, differs, in, contains, literal, column };

struct Filter::Node {
  FilterOp op = FilterOp::literal;
  std::vector<Node> parts = {};
  JsonColumn value = {};  ///< of a literal
  std::string name = {};  ///< of a column
};

/// throws: Error{recipe} with a caret
Filter::Node parse_filter(const std::string& expression);

}  // namespace grpo::detail
