#include "libgrpo/reward/reward_fn.hpp"

#include "libgrpo/base/check.hpp"
#include "libgrpo/base/clock.hpp"
#include "libgrpo/reward/answer_tags.hpp"
#include "libgrpo/reward/builtin.hpp"
#include "libgrpo/reward/canonical_math.hpp"
#include "libgrpo/reward/reward_args.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <utility>

namespace grpo {
namespace {

constexpr std::size_t kLongestWhy = 500;  // a reason may quote a completion

// Why the exception in flight was thrown.
std::string current_reason() {
  try {
    throw;
  } catch (const std::exception& error) {
    const std::string_view text = error.what();
    return "threw: " + std::string(text.substr(0, kLongestWhy)) + (text.size() > kLongestWhy ? "..." : "");
  } catch (...) {
    return "threw something that is no std::exception";
  }
}

Reward checked(Reward reward) {
  if (!reward.has_value() || std::isfinite(reward.value())) return reward;
  const char* shown = std::isnan(reward.value()) ? "NaN" : reward.value() > 0 ? "inf" : "-inf";
  return Reward::failed(fmt::format("returned {}", shown));
}

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
        rewards.push_back(checked(score_(group.prompt, completion)));
      } catch (...) {
        rewards.push_back(Reward::failed(current_reason()));
      }
    }
    return rewards;
  }

  [[nodiscard]] std::string mode(const Completion& completion) const override {
    return mode_ ? mode_(completion) : RewardFn::mode(completion);
  }

 private:
  std::string name_;
  std::function<Reward(const Prompt&, const Completion&)> score_;
  std::function<std::string(const Completion&)> mode_;
};

std::vector<Reward> score_group(const RewardFn& reward, const Group& group) {
  const std::size_t count = group.completions.size();
  std::string why;
  try {
    std::vector<Reward> rewards = reward.score(group);
    if (rewards.size() == count) return rewards;
    why = fmt::format("returned {} verdicts for {} completions", rewards.size(), count);
  } catch (...) {
    why = current_reason();
  }
  return std::vector<Reward>(count, Reward::failed(why));
}

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

RewardSet::RewardSet(const std::vector<std::string>& names, const std::vector<double>& weights, const RewardSettings& settings) {
  if (!weights.empty() && weights.size() != names.size()) {
    throw Error{ErrorKind::recipe,
                fmt::format("reward_weights has {} numbers for {} reward_funcs; give one for each, or "
                            "none to weigh all by 1",
                            weights.size(), names.size())};
  }
  detail::RewardArgs::check_names(settings.args, names);
  for (std::size_t i = 0; i < names.size(); ++i)
    add(make_reward(std::string_view(names[i]), settings), weights.empty() ? 1.0 : weights[i]);
}

void RewardSet::add(std::unique_ptr<RewardFn> reward, double weight) {
  GRPO_CHECK(reward != nullptr, "RewardSet::add needs a reward");
  const std::string_view name = reward->name();
  if (std::any_of(entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.reward->name() == name; })) {
    throw Error{ErrorKind::recipe,
                fmt::format("reward \"{}\" appears twice; give it once, with the sum of the weights", name)};
  }
  if (!std::isfinite(weight)) {
    throw Error{ErrorKind::recipe,
                fmt::format("reward_weights: the weight of \"{}\" is {}, not a finite number", name, weight)};
  }
  entries_.push_back({std::move(reward), weight});
}

RewardTable RewardSet::score(const std::vector<Group>& groups) const {
  RewardTable table;
  for (const Entry& entry : entries_) {
    RewardColumn column{std::string(entry.reward->name()), entry.weight, {}, 0.0};
    const Stopwatch clock;
    for (const Group& group : groups) {
      for (Reward& reward : score_group(*entry.reward, group)) column.rewards.push_back(checked(std::move(reward)));
    }
    column.seconds = clock.seconds();
    table.columns.push_back(std::move(column));
  }
  if (entries_.empty()) return table;
  for (const Group& group : groups)
    for (const Completion& completion : group.completions) table.modes.push_back(entries_.front().reward->mode(completion));
  return table;
}

std::vector<std::string> RewardSet::names() const {
  std::vector<std::string> names;
  for (const Entry& entry : entries_) names.emplace_back(entry.reward->name());
  return names;
}

}  // namespace grpo
