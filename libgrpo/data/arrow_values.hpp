/// One value of an Arrow array as a column of a row. Internal to the sources that know Arrow.
#pragma once

#include "libgrpo/data/json_row.hpp"

#include <cstdint>

namespace arrow {
class Array;
}

namespace grpo::detail {

/// Text as it is; numbers, lists, structures and maps as compact JSON; dates, times and decimals as Arrow writes them.
/// throws: Error{data} with the reason alone: no UTF-8, nested deeper than kDeepestJson, a type without a text
JsonColumn arrow_value(const arrow::Array& array, std::int64_t index);

}  // namespace grpo::detail
