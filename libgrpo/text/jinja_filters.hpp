/// The tables of filters, by what they work on. Internal to the filters; everyone else calls apply_filter().
#pragma once

#include "libgrpo/text/jinja_builtins.hpp"

#include <map>
#include <string>
#include <string_view>

namespace grpo::jinja {

struct FilterCall {
  std::string_view name;
  const Value& input;
  const Arguments& arguments;
  Budget& budget;

  [[nodiscard]] std::string text() const;  ///< str(input)
  [[nodiscard]] bool markup() const { return input.is<Text>() && input.as<Text>()->markup; }
  [[nodiscard]] Value like(std::string result) const { return Value(std::move(result), markup()); }
};

using FilterTable = std::map<std::string_view, Value (*)(const FilterCall&)>;
const FilterTable& value_filters();     ///< numbers, defaults, JSON
const FilterTable& text_filters();      ///< what reads str(input)
const FilterTable& sequence_filters();  ///< join, map, select, batch, ...
const FilterTable& order_filters();     ///< sort, groupby, unique, min, ...

/// The entries of the input, which must be a dict. throws: Failure
const DictData& mapping_of(const FilterCall& call);
/// item.a.b.0 for "a.b.0"; an integer or None as they are.
Value path_of(const Value& item, const Value& path, Budget& budget, const Value* preset = nullptr);

}  // namespace grpo::jinja
