/// The gold answer within a solution column. Internal to data/.
#pragma once

#include <string>
#include <string_view>

namespace grpo::detail {

/// GSM8K writes its working, then "#### 1,234": the text after the last "####", trimmed, without thousands separators
/// (a comma between a digit and exactly three digits). Text without "####" comes back unchanged.
std::string gold_answer(std::string_view solution);

}  // namespace grpo::detail
