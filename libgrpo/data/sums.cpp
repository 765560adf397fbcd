#include "libgrpo/base/check.hpp"
#include "libgrpo/base/random.hpp"
#include "libgrpo/data/prompt_source.hpp"

#include <fmt/format.h>

#include <utility>

namespace grpo {
namespace {

constexpr std::uint32_t kPairs = 81;
constexpr std::uint32_t kTrain = 57;  // the other 24 are held out

class Sums final : public PromptSource {
 public:
  explicit Sums(std::vector<std::uint32_t> pairs) : pairs_(std::move(pairs)) {}

  [[nodiscard]] std::size_t size() const override { return pairs_.size(); }

  [[nodiscard]] Row row(std::size_t index) const override {
    GRPO_CHECK(index < pairs_.size(), fmt::format("sums has {} rows, row {} was asked for", size(), index));
    const std::uint32_t pair = pairs_[index];
    const std::uint32_t a = pair / 9 + 1;
    const std::uint32_t b = pair % 9 + 1;
    Row row;
    row.question = fmt::format("What is {} + {}?", a, b);
    row.solution = std::to_string(a + b);
    row.columns = {{"question", row.question}, {"answer", row.solution}};
    row.origin = fmt::format("sums:{}", pair + 1);
    return row;
  }

 private:
  std::vector<std::uint32_t> pairs_;  // 9 (A - 1) + (B - 1)
};

}  // namespace

std::unique_ptr<PromptSource> make_sums(TaskSplit split, std::uint64_t seed) {
  const auto order = random_permutation(kPairs, RandomStream(seed, "sums"));
  const auto border = order.begin() + kTrain;
  return split == TaskSplit::train ? std::make_unique<Sums>(std::vector<std::uint32_t>(order.begin(), border))
                                   : std::make_unique<Sums>(std::vector<std::uint32_t>(border, order.end()));
}

}  // namespace grpo
