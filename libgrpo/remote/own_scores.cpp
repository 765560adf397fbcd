#include "libgrpo/remote/own_scores.hpp"

#include "libgrpo/tensor/lists.hpp"
#include "libgrpo/tensor/precompiled.hpp"

#include <algorithm>
#include <cmath>

namespace grpo::remote {
namespace {

constexpr std::int64_t kTokensAtOnce = 1024;

/// [T], completions one after the other.
std::vector<float> scores_of(const Scorer& policy, std::vector<Group> groups, double temperature) {
  for (Group& group : groups)
    for (Completion& completion : group.completions) completion.log_probs.resize(completion.ids.size());  // a batch wants as many
  const at::NoGradGuard no_grad;
  const Batch batch(groups);
  const auto all = at::zeros({batch.num_tokens()}, at::kFloat);
  for (const Part& part : batch.parts(kTokensAtOnce))
    all.index_copy_(0, part.tokens, policy.score(part, temperature == 0.0 ? 1.0 : temperature).log_probs);
  return to_list(all);
}

}  // namespace

void score_missing(const Scorer& policy, std::vector<Group>& groups, double temperature) {
  std::vector<Group> wanting;
  const auto wants = [](const Completion& completion) { return completion.log_probs.empty(); };
  for (const Group& group : groups)
    if (std::any_of(group.completions.begin(), group.completions.end(), wants)) wanting.push_back(group);
  if (wanting.empty()) return;
  const std::vector<float> scores = scores_of(policy, wanting, temperature);
  auto next = scores.begin();
  for (Group& group : groups) {
    if (std::none_of(group.completions.begin(), group.completions.end(), wants)) continue;
    for (Completion& completion : group.completions) {
      const auto end = next + static_cast<std::ptrdiff_t>(completion.ids.size());
      if (wants(completion)) completion.log_probs.assign(next, end);
      next = end;
    }
  }
}

double largest_difference(const Scorer& policy, const Group& group, double temperature) {
  const std::vector<float> scores = scores_of(policy, {group}, temperature);
  double largest = 0.0;
  std::size_t token = 0;
  for (const Completion& completion : group.completions)
    for (const float log_prob : completion.log_probs)
      largest = std::max(largest, std::abs(static_cast<double>(log_prob - scores[token++])));
  return largest;
}

}  // namespace grpo::remote
