#include "libgrpo/config/field.hpp"

#include <cmath>

namespace grpo {
namespace {

// 3 rather than 3.0: bounds read better as integers where they are.
std::string bound(double value) {
  std::string text = show_number(value);
  if (text.size() > 2 && text.ends_with(".0")) text.resize(text.size() - 2);
  return text == "1e9" ? "1000000000" : text;
}

}  // namespace

bool Range::contains(double value) const {
  if (special && value == *special) return true;
  if (low && (low_open ? value <= *low : value < *low)) return false;
  if (high && (high_open ? value >= *high : value > *high)) return false;
  return true;
}

std::string Range::text() const {
  std::string text;
  if (low) text = (low_open ? "> " : ">= ") + bound(*low);
  if (high && *high < kMaxCount) text += (text.empty() ? "" : " and ") + std::string(high_open ? "< " : "<= ") + bound(*high);
  return special ? bound(*special) + " or " + text : text;
}

std::string range_error(const Field& field) {
  const auto check = [&field](double value) -> std::string {
    const std::string range = field.range.text();
    if (std::isnan(value) || (std::isinf(value) && !field.range.infinite)) {
      return std::string(field.range.infinite ? "must be a number" : "must be a finite number") + (range.empty() ? "" : " " + range);
    }
    if (field.range.contains(value)) return {};
    // The ceiling of counts is no part of the usual text: it only matters to those who hit it.
    const bool above_ceiling = field.range.high && value > *field.range.high && *field.range.high >= kMaxCount;
    return "must be " + (above_ceiling ? "<= " + bound(*field.range.high) : range);
  };
  if (const auto* slot = std::get_if<std::int64_t*>(&field.slot)) return check(static_cast<double>(**slot));
  if (const auto* slot = std::get_if<double*>(&field.slot)) return check(**slot);
  if (const auto* slot = std::get_if<std::optional<std::int64_t>*>(&field.slot)) {
    return **slot ? check(static_cast<double>(***slot)) : "";
  }
  if (const auto* slot = std::get_if<std::optional<double>*>(&field.slot)) return **slot ? check(***slot) : "";
  if (const auto* slot = std::get_if<std::vector<double>*>(&field.slot)) {
    for (const double value : **slot) {
      if (auto why = check(value); !why.empty()) return why;
    }
  }
  return {};
}

}  // namespace grpo
