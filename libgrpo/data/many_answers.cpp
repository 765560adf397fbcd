#include "libgrpo/data/generated_rows.hpp"

#include <fmt/format.h>

namespace grpo {
namespace {

constexpr std::size_t kTrain = 96;
constexpr std::size_t kHeldOut = 32;

Row question(int most, int divisor, int rest) {
  std::vector<int> answers;
  for (int n = rest == 0 ? divisor : rest; n <= most; n += divisor) answers.push_back(n);
  Row row;
  row.question = fmt::format("Name one whole number from 1 to {} that leaves {} when divided by {}. Answer with the number alone.", most,
                             rest, divisor);
  row.solution = fmt::format("(?<![0-9.-])(?:{})\\s*$", fmt::join(answers, "|"));
  row.columns = {{"question", row.question},
                 {"answer", row.solution},
                 {"answers", fmt::format("[{}]", fmt::join(answers, ","))},
                 {"solutions", std::to_string(answers.size())}};
  row.origin = fmt::format("many_answers:{}%{}={}", most, divisor, rest);
  return row;
}

}  // namespace

std::unique_ptr<PromptSource> make_many_answers(TaskSplit split, std::uint64_t seed) {
  std::vector<Row> rows;
  for (int most = 20; most <= 60; most += 10)
    for (int divisor = 3; divisor <= 9; ++divisor)
      for (int rest = 0; rest < divisor; ++rest) rows.push_back(question(most, divisor, rest));
  return detail::split_rows(rows, split, kTrain, kHeldOut, RandomStream(seed, "many_answers"));
}

}  // namespace grpo
