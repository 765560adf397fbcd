#include "libgrpo/objective/normaliser.hpp"

#include "libgrpo/base/check.hpp"
#include "libgrpo/objective/advantages.hpp"
#include "libgrpo/tensor/precompiled.hpp"

#include <algorithm>
#include <cmath>

namespace grpo {

Counted counted(const CreditInput& input, const std::vector<double>& group_std, const ObjectiveOptions& options) {
  const Batch& batch = input.batch;
  const std::vector<bool> failed = failed_completions(input.rewards);
  const auto completions = static_cast<std::size_t>(batch.num_completions());
  Counted result{std::vector<bool>(completions, true), std::vector<bool>(completions, true)};
  for (std::size_t i = 0; i < completions; ++i) {
    if (failed[i] || (options.exclude_zero_std_groups && group_std[static_cast<std::size_t>(batch.group_of()[i])] == 0.0))
      result.tokens[i] = result.completions[i] = false;
    if (options.mask_truncated_completions && batch.truncated()[i]) result.tokens[i] = false;
  }
  return result;
}

std::vector<std::vector<std::size_t>> groups_of_step(const CreditInput& in, const std::vector<double>& rewards,
                                                     const ObjectiveOptions& options) {
  std::vector<std::vector<std::size_t>> groups;
  std::int64_t last_group = -1;
  for (std::size_t i = 0; i < rewards.size(); ++i) {
    if (!in.trains(i)) continue;
    if (const auto group = in.batch.group_of()[i]; group != last_group) groups.emplace_back(), last_group = group;
    const bool masked = options.mask_truncated_completions && in.batch.truncated()[i];
    if (!masked && !std::isnan(rewards[i])) groups.back().push_back(i);
  }
  return groups;
}

at::Tensor token_weights(LossType type, const CreditInput& input, const Counted& counted, std::int64_t max_completion_length) {
  const Batch& batch = input.batch;
  const auto all = static_cast<std::size_t>(batch.num_completions());
  double completions = 0.0, tokens = 0.0, batch_completions = 0.0, batch_tokens = 0.0;
  for (std::size_t i = 0; i < all; ++i) {
    const auto length = counted.tokens[i] ? static_cast<double>(batch.length(static_cast<std::int64_t>(i))) : 0.0;
    const double one = counted.completions[i] ? 1.0 : 0.0;
    batch_completions += one;
    batch_tokens += length;
    if (!input.trains(i)) continue;
    completions += one;
    tokens += length;
  }
  completions = std::max(completions, 1.0);
  const auto weight_of = [&](double length) {
    switch (type) {
      case LossType::grpo:
      case LossType::sapo: return 1.0 / (completions * length);
      case LossType::bnpo: return 1.0 / tokens;
      case LossType::dr_grpo: return 1.0 / (completions * static_cast<double>(max_completion_length));
      case LossType::luspo: return 1.0 / completions;
      case LossType::dapo:
      case LossType::cispo:
      case LossType::vespo: break;
    }
    return batch_completions / (completions * batch_tokens);
  };
  std::vector<double> weights;
  for (std::size_t i = 0; i < all; ++i) {
    const bool counts = counted.tokens[i] && input.trains(i);
    weights.push_back(counts ? weight_of(static_cast<double>(batch.length(static_cast<std::int64_t>(i)))) : 0.0);
  }
  return at_tokens(weights, batch);
}

at::Tensor at_tokens(const std::vector<double>& per_completion, const Batch& batch) {
  GRPO_CHECK_EQ(static_cast<std::int64_t>(per_completion.size()), batch.num_completions(), "one number per completion");
  return at::tensor(per_completion, at::kFloat).index_select(0, batch.completion_of());
}

}  // namespace grpo
