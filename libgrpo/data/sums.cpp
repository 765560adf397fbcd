#include "libgrpo/data/generated_rows.hpp"

#include <fmt/format.h>

namespace grpo {
namespace {

constexpr std::size_t kTrain = 57;
constexpr std::size_t kHeldOut = 24;  // of 81 pairs

Row question(int a, int b) {
  Row row;
  row.question = fmt::format("What is {} + {}?", a, b);
  row.solution = std::to_string(a + b);
  row.columns = {{"question", row.question}, {"answer", row.solution}};
  row.origin = fmt::format("sums:{}", 9 * (a - 1) + b);
  return row;
}

}  // namespace

std::unique_ptr<PromptSource> make_sums(TaskSplit split, std::uint64_t seed) {
  std::vector<Row> rows;
  for (int a = 1; a <= 9; ++a)
    for (int b = 1; b <= 9; ++b) rows.push_back(question(a, b));
  return detail::split_rows(rows, split, kTrain, kHeldOut, RandomStream(seed, "sums"));
}

}  // namespace grpo
