#include "libgrpo/trainer/group_metrics.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

namespace grpo {
namespace {

using Metrics = std::map<std::string, double>;

void add_lengths(Metrics& metrics, const std::string& suffix, const std::vector<double>& lengths) {
  double sum = 0.0;
  for (const double l : lengths) sum += l;
  metrics["completions/mean_" + suffix] = lengths.empty() ? 0.0 : sum / static_cast<double>(lengths.size());
  metrics["completions/min_" + suffix] = lengths.empty() ? 0.0 : *std::min_element(lengths.begin(), lengths.end());
  metrics["completions/max_" + suffix] = lengths.empty() ? 0.0 : *std::max_element(lengths.begin(), lengths.end());
}

void add_reward(Metrics& metrics, const RewardColumn& column) {
  double sum = 0.0, squares = 0.0, count = 0.0, failed = 0.0;
  for (const Reward& reward : column.rewards) {
    failed += reward.kind() == Reward::Kind::failed ? 1.0 : 0.0;
    if (!reward.has_value()) continue;
    sum += reward.value();
    count += 1.0;
  }
  const double mean = count > 0.0 ? sum / count : 0.0;
  for (const Reward& reward : column.rewards)
    if (reward.has_value()) squares += (reward.value() - mean) * (reward.value() - mean);
  const std::string name = "rewards/" + column.name;
  if (count > 0.0) metrics[name + "/mean"] = mean;
  if (count > 1.0) metrics[name + "/std"] = std::sqrt(squares / (count - 1.0));
  if (failed > 0.0) metrics[name + "/failed"] = failed / static_cast<double>(column.rewards.size());
}

}  // namespace

Metrics group_metrics(const std::vector<Group>& groups, const RewardTable& rewards) {
  std::vector<double> lengths, terminated;
  double entropy = 0.0, tokens = 0.0;
  std::optional<std::int64_t> oldest;
  for (const Group& group : groups) {
    for (const Completion& completion : group.completions) {
      lengths.push_back(static_cast<double>(completion.ids.size()));
      if (completion.finish == FinishReason::stop) terminated.push_back(lengths.back());
      for (const float h : completion.entropies) entropy += static_cast<double>(h);
      tokens += static_cast<double>(completion.entropies.size());
      if (completion.weight_version >= 0) oldest = std::min(oldest.value_or(completion.weight_version), completion.weight_version);
    }
  }
  Metrics metrics;
  add_lengths(metrics, "length", lengths);
  add_lengths(metrics, "terminated_length", terminated);
  const auto all = static_cast<double>(std::max<std::size_t>(lengths.size(), 1));
  metrics["completions/clipped_ratio"] = 1.0 - static_cast<double>(terminated.size()) / all;
  if (tokens > 0.0) metrics["entropy"] = entropy / tokens;
  if (oldest) metrics["sampling/weight_version"] = static_cast<double>(*oldest);
  for (const RewardColumn& column : rewards.columns) add_reward(metrics, column);
  return metrics;
}

std::int64_t count_tokens(const std::vector<Group>& groups) {
  std::size_t tokens = 0;
  for (const Group& group : groups)
    for (const Completion& completion : group.completions) tokens += group.prompt.ids.size() + completion.ids.size();
  return static_cast<std::int64_t>(tokens);
}

}  // namespace grpo
