// Rewards of length and repetition, by tokens.
#include "libgrpo/base/error.hpp"
#include "libgrpo/reward/builtin.hpp"
#include "libgrpo/reward/reward_args.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace grpo::detail {
namespace {

// Compares the completions of a group, so it sees them all.
class LengthReward final : public RewardFn {
 public:
  [[nodiscard]] std::string_view name() const override { return "length"; }

  [[nodiscard]] std::vector<Reward> score(const Group& group) const override {
    const std::vector<Completion>& all = group.completions;
    if (!has_gold(group.prompt)) return std::vector<Reward>(all.size(), Reward::not_applicable());
    MathGold gold(group.prompt.solution);
    const auto [low, high] =
        std::minmax_element(all.begin(), all.end(), [](const Completion& a, const Completion& b) { return a.ids.size() < b.ids.size(); });
    std::vector<Reward> rewards;
    for (const Completion& completion : all) {
      if (low->ids.size() == high->ids.size()) {
        rewards.push_back(Reward::of(0.0));
        continue;
      }
      const double place =
          static_cast<double>(completion.ids.size() - low->ids.size()) / static_cast<double>(high->ids.size() - low->ids.size());
      const double value = 0.5 - place;
      rewards.push_back(Reward::of(is_right(gold, completion) ? value : std::min(0.0, value)));
    }
    return rewards;
  }
};

}  // namespace

std::unique_ptr<RewardFn> make_length() { return std::make_unique<LengthReward>(); }

std::unique_ptr<RewardFn> make_cosine(const RewardSettings& settings) {
  RewardArgs args("cosine", settings.args);
  constexpr double kMost = 1e6;
  const double wrong_short = args.number("min_value_wrong", -1.0, -kMost, kMost),
               wrong_long = args.number("max_value_wrong", -0.5, -kMost, kMost);
  const double right_long = args.number("min_value_correct", 0.5, -kMost, kMost),
               right_short = args.number("max_value_correct", 1.0, -kMost, kMost);
  const auto longest = static_cast<double>(args.integer("max_len", 1000, 1, 1000000000));
  args.done();
  return make_gold_reward("cosine", [=](MathGold& gold, const Completion& completion) {
    const double progress = std::min(1.0, static_cast<double>(completion.ids.size()) / longest);
    const bool right = is_right(gold, completion);
    const double at_start = right ? right_short : wrong_short, at_end = right ? right_long : wrong_long;
    return Reward::of(at_end + 0.5 * (at_start - at_end) * (1.0 + std::cos(std::numbers::pi * progress)));
  });
}

std::unique_ptr<RewardFn> make_repetition_penalty(const RewardSettings& settings) {
  RewardArgs args("repetition_penalty", settings.args);
  const auto n = static_cast<std::size_t>(args.integer("n_grams", 3, 1, 1000));
  const double penalty = args.number("max_penalty", -1.0, -1e6, 0.0);
  args.done();
  return make_reward("repetition_penalty", [n, penalty](const Prompt&, const Completion& completion) {
    const std::vector<std::int32_t>& ids = completion.ids;
    if (ids.size() < n) return Reward::of(0.0);
    std::vector<std::size_t> begins(ids.size() - n + 1);
    for (std::size_t i = 0; i < begins.size(); ++i) begins[i] = i;
    const auto at = [&](std::size_t i) { return ids.begin() + static_cast<std::ptrdiff_t>(i); };
    const auto length = static_cast<std::ptrdiff_t>(n);
    std::sort(begins.begin(), begins.end(),
              [&](std::size_t a, std::size_t b) { return std::lexicographical_compare(at(a), at(a) + length, at(b), at(b) + length); });
    const auto end =
        std::unique(begins.begin(), begins.end(), [&](std::size_t a, std::size_t b) { return std::equal(at(a), at(a) + length, at(b)); });
    const auto different = static_cast<double>(end - begins.begin());
    return Reward::of(penalty * (1.0 - different / static_cast<double>(ids.size() - n + 1)));
  });
}

}  // namespace grpo::detail
