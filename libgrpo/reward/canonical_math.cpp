#include "libgrpo/reward/canonical_math.hpp"

#include "libgrpo/reward/answer_tags.hpp"

#include <algorithm>

namespace grpo {
namespace {

constexpr std::string_view kDigits = "0123456789";
constexpr std::string_view kPlainNumberOrRoot = "0123456789.-\\sqrt";

// What `pair` ("()", say) encloses, if it encloses the whole text, something at all and no other of its kind.
bool enclosed(std::string_view text, std::string_view pair, std::string_view& inner) {
  if (text.size() < 3 || text.front() != pair[0] || text.back() != pair[1]) return false;
  inner = text.substr(1, text.size() - 2);
  return inner.find_first_of(pair) == std::string_view::npos;
}

// Length of "-12" in "-12.00"; npos if the text is not an integer with zeros behind the point.
std::size_t integer_part(std::string_view text) {
  const std::size_t first = text.starts_with('-') ? 1 : 0;
  const std::size_t point = text.find_first_not_of(kDigits, first);
  if (point == std::string_view::npos || point == first || text[point] != '.') return std::string_view::npos;
  const std::string_view zeros = text.substr(point + 1);
  return !zeros.empty() && zeros.find_first_not_of('0') == std::string_view::npos ? point : std::string_view::npos;
}

}  // namespace

std::string canonical_math(std::string_view answer) {
  std::string_view text = trim(answer);
  std::string_view inner;
  if (enclosed(text, "{}", inner)) text = inner;
  if (enclosed(text, "()", inner)) {
    inner = trim(inner);
    if (!inner.empty() && inner.find_first_not_of(kPlainNumberOrRoot) == std::string_view::npos) text = inner;
  }
  std::string canonical(text);
  std::erase(canonical, ' ');
  if (canonical == "-0" || canonical == "+0") canonical = "0";
  const std::size_t length = integer_part(canonical);
  if (length != std::string_view::npos) canonical.resize(length);
  return canonical;
}

bool same_math(std::string_view answer, std::string_view gold) { return canonical_math(answer) == canonical_math(gold); }

}  // namespace grpo
