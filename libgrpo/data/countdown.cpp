#include "libgrpo/data/countdown.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/data/generated_rows.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <unordered_map>

namespace grpo {
namespace detail {
namespace {

struct Expression {
  enum class Kind { number, sum, product } kind = Kind::number;
  std::int64_t over = 0, under = 1;  // the value, reduced, under > 0
  std::vector<std::string> parts;    // "+x", "-x" of a sum; "*x", "/x" of a product; sorted
  std::string key;
};

Expression number(std::int64_t value) {
  const std::string key = std::to_string(value);
  return {Expression::Kind::number, value, 1, {}, key};
}

// The parts of one side; `flip` on the side behind a minus or a division.
void append_parts(const Expression& side, Expression::Kind kind, bool flip, std::vector<std::string>& parts) {
  const char plain = kind == Expression::Kind::sum ? '+' : '*';
  const char inverse = kind == Expression::Kind::sum ? '-' : '/';
  if (side.kind != kind) {
    parts.push_back((flip ? inverse : plain) + side.key);
    return;
  }
  for (std::string part : side.parts) {
    if (flip) part[0] = part[0] == plain ? inverse : plain;
    parts.push_back(std::move(part));
  }
}

Expression combine(const Expression& a, const Expression& b, char sign) {
  Expression out;
  const bool flip = sign == '-' || sign == '/';
  out.kind = sign == '+' || sign == '-' ? Expression::Kind::sum : Expression::Kind::product;
  append_parts(a, out.kind, false, out.parts);
  append_parts(b, out.kind, flip, out.parts);
  std::sort(out.parts.begin(), out.parts.end());
  for (const std::string& part : out.parts) out.key += part;
  out.key = "(" + out.key + ")";
  if (out.kind == Expression::Kind::sum) {
    out.over = a.over * b.under + (flip ? -1 : 1) * b.over * a.under;
    out.under = a.under * b.under;
  } else {
    out.over = a.over * (flip ? b.under : b.over);
    out.under = a.under * (flip ? b.over : b.under);
  }
  if (out.under < 0) out.over = -out.over, out.under = -out.under;
  const std::int64_t common = std::gcd(out.over, out.under);
  out.over /= common, out.under /= common;
  return out;
}

using Ways = std::unordered_map<std::string, Expression>;

void add_combinations(const Ways& left, const Ways& right, Ways& out) {
  for (const auto& [left_key, a] : left)
    for (const auto& [right_key, b] : right)
      for (const char sign : {'+', '-', '*', '/'}) {
        if (sign == '/' && b.over == 0) continue;
        Expression both = combine(a, b, sign);
        out.try_emplace(both.key, both);
      }
}

}  // namespace

std::map<std::int64_t, std::vector<std::string>> countdown_keys(const std::vector<std::int64_t>& numbers) {
  const std::size_t all = (std::size_t{1} << numbers.size()) - 1;
  std::vector<Ways> ways(all + 1);  // by the set of numbers used
  for (std::size_t set = 1; set <= all; ++set) {
    for (std::size_t i = 0; i < numbers.size(); ++i)
      if (set == std::size_t{1} << i) ways[set].try_emplace(std::to_string(numbers[i]), number(numbers[i]));
    for (std::size_t part = (set - 1) & set; part > 0; part = (part - 1) & set) add_combinations(ways[part], ways[set ^ part], ways[set]);
  }
  std::map<std::int64_t, std::vector<std::string>> targets;
  for (const auto& [key, way] : ways[all])
    if (way.under == 1 && way.over > 0) targets[way.over].push_back(key);
  for (auto& [target, keys] : targets) std::sort(keys.begin(), keys.end());
  return targets;
}

}  // namespace detail

namespace {

constexpr std::int64_t kLeast = 2;
constexpr std::int64_t kMost = 12;

Row question(const std::vector<std::int64_t>& numbers, std::int64_t target, std::size_t solutions) {
  const std::string list = fmt::format("{}", fmt::join(numbers, ", "));
  Row row;
  row.question = fmt::format(
      "Use each of the numbers {} exactly once, with + - * / and parentheses, to make {}. Put the expression, and "
      "nothing else, in \\boxed{{}}.",
      list, target);
  row.solution = fmt::format("{{\"numbers\": [{}], \"target\": {}}}", list, target);
  row.columns = {{"question", row.question},
                 {"answer", row.solution},
                 {"nums", "[" + fmt::format("{}", fmt::join(numbers, ",")) + "]"},
                 {"target", std::to_string(target)},
                 {"solutions", std::to_string(solutions)}};
  row.origin = fmt::format("countdown:{}={}", fmt::join(numbers, ","), target);
  return row;
}

std::vector<Row> all_questions(std::size_t count) {
  std::vector<Row> rows;
  const std::size_t fewest = count == 4 ? 2 : 1;
  std::vector<std::int64_t> numbers(count);
  std::iota(numbers.begin(), numbers.end(), kLeast);
  while (true) {
    for (const auto& [target, keys] : detail::countdown_keys(numbers)) {
      const bool given = std::find(numbers.begin(), numbers.end(), target) != numbers.end();
      if (!given && target <= kMost * static_cast<std::int64_t>(count) && keys.size() >= fewest)
        rows.push_back(question(numbers, target, keys.size()));
    }
    std::size_t at = count;  // the next ascending choice
    while (at > 0 && numbers[at - 1] == kMost - static_cast<std::int64_t>(count - at)) --at;
    if (at == 0) return rows;
    ++numbers[at - 1];
    std::iota(numbers.begin() + static_cast<std::ptrdiff_t>(at), numbers.end(), numbers[at - 1] + 1);
  }
}

}  // namespace

std::unique_ptr<PromptSource> make_countdown(TaskSplit split, int numbers, std::uint64_t seed) {
  if (numbers != 3 && numbers != 4) throw Error{ErrorKind::recipe, fmt::format("countdown: {} numbers, but it is 3 or 4", numbers)};
  const bool three = numbers == 3;
  return detail::split_rows(all_questions(three ? 3 : 4), split, three ? 384 : 1024, three ? 128 : 256, RandomStream(seed, "countdown"));
}

}  // namespace grpo
