/// The interface of a reward: completions of one prompt in, one verdict each out.
///
/// A reward of your own: make_reward("name", function) and RewardSet::add, or a subclass of RewardFn where the whole
/// group is needed. docs/guides/add-a-reward.md says how; tests/contract/reward_contract.hpp tries it on hostile
/// completions.
#pragma once

#include "libgrpo/types/group.hpp"
#include "libgrpo/types/reward.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace grpo {

/// A verifier. Model output is hostile input: score() must end quickly and never crash on any bytes.
class RewardFn {
 public:
  virtual ~RewardFn() = default;
  /// Name in recipes and metrics, e.g. "pure_accuracy_math".
  [[nodiscard]] virtual std::string_view name() const = 0;
  /// One verdict per completion, in order. A throw counts as Reward::failed for the whole group.
  /// thread: called from several threads at once, for different groups
  [[nodiscard]] virtual std::vector<Reward> score(const Group& group) const = 0;
  /// What distinguishes one right answer from another (RewardTable::modes); empty: unknown. The set asks its first function.
  [[nodiscard]] virtual std::string mode(const Completion& completion) const;
};

/// A reward that looks at one completion at a time, from a function. A throw counts as Reward::failed for that
/// completion alone. thread: `score` is called from several threads at once throws: Error{contract} if the name or the
/// function is empty
std::unique_ptr<RewardFn> make_reward(std::string name, std::function<Reward(const Prompt&, const Completion&)> score);

/// What built-in rewards know of the run.
struct RewardSettings {
  std::int64_t max_completion_length = 16384;  ///< tokens
  std::int64_t soft_punish_cache = 4096;       ///< tokens
  std::string args = "{}";                     ///< reward_args of the recipe: a JSON object, {"cosine": {"max_len": 800}}
};

/// A reward by the name recipes use. throws: Error{recipe} listing the known names, nearest first, or if its arguments are wrong
std::unique_ptr<RewardFn> make_reward(std::string_view name, const RewardSettings& settings = {});

/// Names that make_reward(name) knows, sorted.
std::vector<std::string> reward_names();

/// Several rewards with weights: the one thing a trainer calls.
class RewardSet {
 public:
  /// throws: Error{recipe} if a name is unknown or appears twice, weights and names differ in number (no weights = all
  /// 1), a weight is not finite, or settings.args speaks of a reward that is not among the names
  RewardSet(const std::vector<std::string>& names, const std::vector<double>& weights, const RewardSettings& settings = {});
  RewardSet() = default;
  /// throws: Error{recipe} if the name is taken or the weight not finite; Error{contract} if `reward` is null
  void add(std::unique_ptr<RewardFn> reward, double weight = 1.0);

  /// Every function over every group. shape: columns of length N = sum of the groups' completions, in order.
  /// An exception, a wrong number of verdicts or a value that is not finite becomes Reward::failed with the reason,
  /// never a silent 0. thread: may be called from several threads at once
  [[nodiscard]] RewardTable score(const std::vector<Group>& groups) const;
  /// In the order of the columns.
  [[nodiscard]] std::vector<std::string> names() const;

 private:
  struct Entry {
    std::unique_ptr<RewardFn> reward;
    double weight;
  };
  std::vector<Entry> entries_;
};

}  // namespace grpo
