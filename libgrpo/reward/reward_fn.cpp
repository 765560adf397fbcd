#include "libgrpo/reward/reward_fn.hpp"

#include "libgrpo/base/check.hpp"
#include "libgrpo/reward/answer_tags.hpp"
#include "libgrpo/reward/builtin.hpp"
#include "libgrpo/reward/canonical_math.hpp"
#include "libgrpo/reward/external.hpp"
#include "libgrpo/reward/judge.hpp"
#include "libgrpo/reward/reward_args.hpp"
#include "libgrpo/reward/scoring.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace grpo {
namespace {

class FunctionReward final : public RewardFn {
 public:
  FunctionReward(std::string name, std::function<Reward(const Prompt&, const Completion&)> score,
                 std::function<std::string(const Completion&)> mode = nullptr)
      : name_(std::move(name)), score_(std::move(score)), mode_(std::move(mode)) {}

  [[nodiscard]] std::string_view name() const override { return name_; }

  [[nodiscard]] std::vector<Reward> score(const Group& group) const override {
    std::vector<Reward> rewards;
    rewards.reserve(group.completions.size());
    for (const Completion& completion : group.completions) {
      try {
        rewards.push_back(detail::checked(score_(group.prompt, completion)));
      } catch (...) {
        rewards.push_back(Reward::failed(detail::current_reason()));
      }
    }
    return rewards;
  }

  [[nodiscard]] std::string mode(const Completion& completion) const override {
    return mode_ ? mode_(completion) : RewardFn::mode(completion);
  }

  [[nodiscard]] RetryRules retry_rules() const override { return {.by_completion = true}; }

 private:
  std::string name_;
  std::function<Reward(const Prompt&, const Completion&)> score_;
  std::function<std::string(const Completion&)> mode_;
};

}  // namespace

std::unique_ptr<RewardFn> make_reward(std::string name, std::function<Reward(const Prompt&, const Completion&)> score) {
  GRPO_CHECK(!name.empty(), "a reward needs a name: it appears in metrics");
  GRPO_CHECK(score != nullptr, "reward \"" + name + "\" needs a function");
  return std::make_unique<FunctionReward>(std::move(name), std::move(score));
}

std::unique_ptr<RewardFn> detail::make_reward_with_mode(std::string name, std::function<Reward(const Prompt&, const Completion&)> score,
                                                        std::function<std::string(const Completion&)> mode) {
  return std::make_unique<FunctionReward>(std::move(name), std::move(score), std::move(mode));
}

std::string RewardFn::mode(const Completion& completion) const {
  const auto answer = first_answer(completion.text, TagCase::any);
  return answer ? canonical_math(*answer) : std::string();
}

RewardSet::RewardSet(const std::vector<std::string>& names, const std::vector<double>& weights, const RewardSettings& settings)
    : workers_(settings.workers), retries_(settings.retries) {
  if (!weights.empty() && weights.size() != names.size()) {
    throw Error{ErrorKind::recipe, fmt::format("reward_weights has {} numbers for {} reward_funcs; give one for each, or "
                                               "none to weigh all by 1",
                                               weights.size(), names.size())};
  }
  detail::RewardArgs::check_names(settings.args, names);
  detail::check_external(settings, names);
  for (std::size_t i = 0; i < names.size(); ++i) add(make_reward(std::string_view(names[i]), settings), weights.empty() ? 1.0 : weights[i]);
}

void RewardSet::add(std::unique_ptr<RewardFn> reward, double weight) {
  GRPO_CHECK(reward != nullptr, "RewardSet::add needs a reward");
  const std::string_view name = reward->name();
  if (std::any_of(entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.reward->name() == name; })) {
    throw Error{ErrorKind::recipe, fmt::format("reward \"{}\" appears twice; give it once, with the sum of the weights", name)};
  }
  if (!std::isfinite(weight)) {
    throw Error{ErrorKind::recipe, fmt::format("reward_weights: the weight of \"{}\" is {}, not a finite number", name, weight)};
  }
  entries_.push_back({std::move(reward), weight});
}

RewardTable RewardSet::score(const std::vector<Group>& groups) const { return Scoring(*this, groups.size()).finish(groups); }

std::vector<std::string> RewardSet::notes() const {
  std::vector<std::string> notes;
  for (const Entry& entry : entries_)
    if (std::string note = entry.reward->note(); !note.empty()) notes.push_back(std::move(note));
  return notes;
}

std::vector<std::string> RewardSet::names() const {
  std::vector<std::string> names;
  for (const Entry& entry : entries_) names.emplace_back(entry.reward->name());
  return names;
}

}  // namespace grpo
