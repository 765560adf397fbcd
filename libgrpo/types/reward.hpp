/// What a reward function says of one completion: a number, "not applicable", or "failed: why". Never a silent 0.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace grpo {

class Reward {
 public:
  enum class Kind { value, not_applicable, failed };

  static Reward of(double value) { return Reward(Kind::value, value, {}); }
  static Reward not_applicable() { return Reward(Kind::not_applicable, 0.0, {}); }
  static Reward failed(std::string why) { return Reward(Kind::failed, 0.0, std::move(why)); }

  [[nodiscard]] Kind kind() const { return kind_; }
  [[nodiscard]] bool has_value() const { return kind_ == Kind::value; }
  [[nodiscard]] double value() const { return value_; }           ///< 0 unless has_value()
  [[nodiscard]] const std::string& why() const { return why_; }   ///< empty unless failed

 private:
  Reward(Kind kind, double value, std::string why) : kind_(kind), value_(value), why_(std::move(why)) {}
  Kind kind_;
  double value_;
  std::string why_;
};

/// One reward function's verdicts. shape: [N] in the order of the completions, groups one after the other.
struct RewardColumn {
  std::string name;
  double weight = 1.0;
  std::vector<Reward> rewards;
  double seconds = 0.0;  ///< wall time of scoring
};

/// All reward functions over all completions of a step. Every column has the same length N = B*G.
struct RewardTable {
  std::vector<RewardColumn> columns;
  /// [N] or empty. What a right answer is counted as: two right completions of a group with equal modes are one way of being
  /// right. Empty string: unknown, a mode of its own.
  std::vector<std::string> modes;
};

}  // namespace grpo
