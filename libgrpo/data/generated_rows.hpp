/// A task whose rows are made, not read. Internal to data/.
#pragma once

#include "libgrpo/base/check.hpp"
#include "libgrpo/base/random.hpp"
#include "libgrpo/data/prompt_source.hpp"

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace grpo::detail {

class GeneratedRows final : public PromptSource {
 public:
  explicit GeneratedRows(std::vector<Row> rows) : rows_(std::move(rows)) {}
  [[nodiscard]] std::size_t size() const override { return rows_.size(); }
  [[nodiscard]] Row row(std::size_t index) const override {
    GRPO_CHECK(index < rows_.size(),
               "a generated task has " + std::to_string(rows_.size()) + " rows, row " + std::to_string(index) + " was asked for");
    return rows_[index];
  }

 private:
  std::vector<Row> rows_;
};

/// The first `train` of the shuffled rows, or the `held_out` behind them. There are at least train + held_out rows, all different.
inline std::unique_ptr<PromptSource> split_rows(const std::vector<Row>& rows, TaskSplit split, std::size_t train, std::size_t held_out,
                                                RandomStream stream) {
  GRPO_CHECK(rows.size() >= train + held_out, "a task has fewer questions than its two sides need");
  const auto order = random_permutation(static_cast<std::uint32_t>(rows.size()), stream);
  const std::size_t first = split == TaskSplit::train ? 0 : train;
  std::vector<Row> side;
  for (std::size_t i = 0; i < (split == TaskSplit::train ? train : held_out); ++i) side.push_back(rows[order[first + i]]);
  return std::make_unique<GeneratedRows>(std::move(side));
}

}  // namespace grpo::detail
