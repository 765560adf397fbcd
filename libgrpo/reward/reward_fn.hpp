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

/// How a verdict that failed is asked for again (RewardSettings::retries).
struct RetryRules {
  bool by_completion = false;  ///< verdicts do not depend on the rest of the group: those that failed alone are asked for again
  double pause = 0.0;          ///< seconds before the first retry, twice as many before each further one
};

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
  [[nodiscard]] virtual RetryRules retry_rules() const { return {}; }
  /// What a user should know before a run: that something it relies on is missing here, say. Mostly empty.
  [[nodiscard]] virtual std::string note() const { return {}; }
};

/// A reward that looks at one completion at a time, from a function. A throw counts as Reward::failed for that
/// completion alone. thread: `score` is called from several threads at once throws: Error{contract} if the name or the
/// function is empty
std::unique_ptr<RewardFn> make_reward(std::string name, std::function<Reward(const Prompt&, const Completion&)> score);

/// What rewards know of the run.
struct RewardSettings {
  std::int64_t max_completion_length = 16384;  ///< tokens
  std::int64_t soft_punish_cache = 4096;       ///< tokens
  std::string args = "{}";                     ///< reward_args of the recipe: a JSON object, {"cosine": {"max_len": 800}}
  std::string commands = "{}";                 ///< reward_command: name -> command line, or a list of words
  std::string urls = "{}";                     ///< reward_url: name -> http://host:port/path
  std::string libraries = "{}";                ///< reward_library: name -> path of a shared library
  std::int64_t workers = 4;                    ///< groups judged at a time, and processes of each program
  double timeout = 10.0;                       ///< seconds a program or a server may take
  std::int64_t retries = 1;                    ///< of a verdict that failed
};

/// A reward by the name recipes use: one of the library's, or one that commands, urls or libraries name.
/// throws: Error{recipe} listing the known names, nearest first, or if its arguments are wrong
std::unique_ptr<RewardFn> make_reward(std::string_view name, const RewardSettings& settings = {});

/// Names that make_reward(name) knows, sorted.
std::vector<std::string> reward_names();

/// Several rewards with weights: the one thing a trainer calls.
class RewardSet {
 public:
  /// throws: Error{recipe} if a name is unknown or appears twice, weights and names differ in number (no weights = all
  /// 1), a weight is not finite, or settings.args, commands, urls or libraries speak of a reward that is not among the names
  RewardSet(const std::vector<std::string>& names, const std::vector<double>& weights, const RewardSettings& settings = {});
  RewardSet() = default;
  /// throws: Error{recipe} if the name is taken or the weight not finite; Error{contract} if `reward` is null
  void add(std::unique_ptr<RewardFn> reward, double weight = 1.0);

  /// Every function over every group. shape: columns of length N = sum of the groups' completions, in order.
  /// An exception, a wrong number of verdicts or a value that is not finite becomes Reward::failed with the reason,
  /// never a silent 0; it is asked for again settings.retries times first. Groups are judged side by side, as many as
  /// settings.workers says. thread: may be called from several threads at once
  [[nodiscard]] RewardTable score(const std::vector<Group>& groups) const;
  /// In the order of the columns.
  [[nodiscard]] std::vector<std::string> names() const;
  /// RewardFn::note() of those that have something to say.
  [[nodiscard]] std::vector<std::string> notes() const;

 private:
  friend class Scoring;
  struct Entry {
    std::unique_ptr<RewardFn> reward;
    double weight;
  };
  std::vector<Entry> entries_;
  std::int64_t workers_ = RewardSettings().workers, retries_ = RewardSettings().retries;
};

}  // namespace grpo
