#include "libgrpo/data/filter.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/config/field.hpp"
#include "libgrpo/data/filter_node.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

namespace grpo::detail {
namespace {

using Node = Filter::Node;

const JsonColumn& value_of(const Node& node, const Columns& row) {
  if (node.op == FilterOp::literal) return node.value;
  const auto found = row.find(node.name);
  if (found != row.end()) return found->second;
  std::vector<std::string> known;
  for (const auto& [name, value] : row) known.push_back(name);
  const auto near = nearest_names(node.name, known);
  throw Error{ErrorKind::data, fmt::format("filter: no column \"{}\"{}", node.name,
                                           near.empty() ? "" : fmt::format("; did you mean \"{}\"?", near.front()))};
}

std::optional<double> number(const JsonColumn& value) {
  if (value.kind != JsonKind::number && value.kind != JsonKind::text) return std::nullopt;
  double out = 0;
  const char* end = value.text.data() + value.text.size();
  const auto [stop, problem] = std::from_chars(value.text.data(), end, out);
  return problem == std::errc() && stop == end ? std::optional(out) : std::nullopt;
}

bool equal(const JsonColumn& a, const JsonColumn& b) {
  const bool numeric = a.kind == JsonKind::number || b.kind == JsonKind::number;
  if (numeric) {
    const auto x = number(a);
    return x && x == number(b);
  }
  return a.kind == b.kind && a.text == b.text;
}

std::string shown(const Node& node, const JsonColumn& value) {
  constexpr std::size_t kLongest = 40;
  const std::string text =
      value.kind == JsonKind::text
          ? nlohmann::json(value.text.substr(0, kLongest)).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace)
          : std::string(describe(value.kind));
  return node.op == FilterOp::column ? fmt::format("column \"{}\" is {}", node.name, text) : text;
}

// -1, 0 or 1; nothing if one of them is null.
std::optional<int> compare(const Node& left, const Node& right, const Columns& row) {
  const JsonColumn& a = value_of(left, row);
  const JsonColumn& b = value_of(right, row);
  if (a.kind == JsonKind::null || b.kind == JsonKind::null) return std::nullopt;
  if (a.kind == JsonKind::text && b.kind == JsonKind::text) return a.text.compare(b.text);
  const auto x = number(a);
  const auto y = number(b);
  if (!x || !y) throw Error{ErrorKind::data, fmt::format("filter: {} and {} have no order", shown(left, a), shown(right, b))};
  return *x < *y ? -1 : *x > *y ? 1 : 0;
}

bool contains(const JsonColumn& whole, const JsonColumn& part) {
  if (whole.kind == JsonKind::text) return part.kind == JsonKind::text && whole.text.find(part.text) != std::string::npos;
  if (whole.kind != JsonKind::list) return false;
  for (const auto& element : nlohmann::json::parse(whole.text)) {
    JsonColumn value;
    value.kind = element.is_string()    ? JsonKind::text
                 : element.is_number()  ? JsonKind::number
                 : element.is_boolean() ? JsonKind::boolean
                 : element.is_null()    ? JsonKind::null
                                        : JsonKind::object;
    value.text = element.is_string() ? element.get<std::string>() : element.dump();
    if (equal(value, part)) return true;
  }
  return false;
}

bool holds(const Node& node, const Columns& row) {
  const auto ordered = [&](auto test) {
    const auto order = compare(node.parts[0], node.parts[1], row);
    return order && test(*order);
  };
  switch (node.op) {
    case FilterOp::both: return holds(node.parts[0], row) && holds(node.parts[1], row);
    case FilterOp::either: return holds(node.parts[0], row) || holds(node.parts[1], row);
    case FilterOp::negate: return !holds(node.parts[0], row);
    case FilterOp::less: return ordered([](int order) { return order < 0; });
    case FilterOp::less_equal: return ordered([](int order) { return order <= 0; });
    case FilterOp::greater: return ordered([](int order) { return order > 0; });
    case FilterOp::greater_equal: return ordered([](int order) { return order >= 0; });
    case FilterOp::equal: return equal(value_of(node.parts[0], row), value_of(node.parts[1], row));
    case FilterOp::differs: return !equal(value_of(node.parts[0], row), value_of(node.parts[1], row));
    case FilterOp::in:
      return std::any_of(node.parts.begin() + 1, node.parts.end(),
                         [&](const Node& one) { return equal(value_of(node.parts[0], row), value_of(one, row)); });
    case FilterOp::contains: return contains(value_of(node.parts[0], row), value_of(node.parts[1], row));
    case FilterOp::literal:
    case FilterOp::column: break;
  }
  const JsonColumn& value = value_of(node, row);
  if (value.kind == JsonKind::null) return false;
  if (value.kind != JsonKind::boolean)
    throw Error{ErrorKind::data, fmt::format("filter: {}, which says neither yes nor no", shown(node, value))};
  return value.text == "true";
}

void collect(const Node& node, std::vector<std::string>& names) {
  if (node.op == FilterOp::column && std::find(names.begin(), names.end(), node.name) == names.end()) names.push_back(node.name);
  for (const Node& part : node.parts) collect(part, names);
}

}  // namespace

Filter::Filter(const std::string& expression) : root_(std::make_unique<Node>(parse_filter(expression))) {}
Filter::Filter(Filter&&) noexcept = default;
Filter::~Filter() = default;

bool Filter::matches(const Columns& row) const { return holds(*root_, row); }

std::vector<std::string> Filter::columns() const {
  std::vector<std::string> names;
  collect(*root_, names);
  return names;
}

}  // namespace grpo::detail
