#include "libgrpo/data/gold_answer.hpp"

namespace grpo::detail {
namespace {

constexpr std::string_view kMark = "####";

bool digit_at(std::string_view text, std::size_t at) { return at < text.size() && text[at] >= '0' && text[at] <= '9'; }

bool is_thousands_separator(std::string_view text, std::size_t at) {
  return text[at] == ',' && at > 0 && digit_at(text, at - 1) && digit_at(text, at + 1) && digit_at(text, at + 2) &&
         digit_at(text, at + 3) && !digit_at(text, at + 4);
}

}  // namespace

std::string gold_answer(std::string_view solution) {
  const std::size_t mark = solution.rfind(kMark);
  if (mark == std::string_view::npos) return std::string(solution);
  std::string_view text = solution.substr(mark + kMark.size());
  constexpr std::string_view kSpace = " \t\r\n\v\f";
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  text = text.substr(first, text.find_last_not_of(kSpace) - first + 1);
  std::string answer;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!is_thousands_separator(text, i)) answer += text[i];
  }
  return answer;
}

}  // namespace grpo::detail
