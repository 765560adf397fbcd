/// What a reward function says of one completion: a number, "not applicable", or "failed: why". Never a silent 0.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace grpo {

class Reward {
 public:
  enum class Kind { value, not_applicable, failed };

  /// `reason`: why this value, for people: "extracted 72". May be empty.
  static Reward of(double value, std::string reason = {}) { return Reward(Kind::value, value, std::move(reason)); }
  static Reward not_applicable() { return Reward(Kind::not_applicable, 0.0, {}); }
  static Reward failed(std::string why) { return Reward(Kind::failed, 0.0, std::move(why)); }

  [[nodiscard]] Kind kind() const { return kind_; }
  [[nodiscard]] bool has_value() const { return kind_ == Kind::value; }
  [[nodiscard]] bool is_failed() const { return kind_ == Kind::failed; }
  [[nodiscard]] double value() const { return value_; }                                     ///< 0 unless has_value()
  [[nodiscard]] const std::string& why() const { return is_failed() ? text_ : none(); }     ///< empty unless failed
  [[nodiscard]] const std::string& reason() const { return has_value() ? text_ : none(); }  ///< empty unless it was given with a value

 private:
  Reward(Kind kind, double value, std::string text) : kind_(kind), value_(value), text_(std::move(text)) {}
  static const std::string& none() {
    static const std::string empty;
    return empty;
  }
  Kind kind_;
  double value_;
  std::string text_;
};

/// One reward function's verdicts. shape: [N] in the order of the completions, groups one after the other.
struct RewardColumn {
  std::string name;
  double weight = 1.0;
  std::vector<Reward> rewards;
  double seconds = 0.0;  ///< spent scoring; where threads score side by side, the sum of theirs
};

/// All reward functions over all completions of a step. Every column has the same length N = B*G.
struct RewardTable {
  std::vector<RewardColumn> columns;
  /// [N] or empty. What a right answer is counted as: two right completions of a group with equal modes are one way of being
  /// right. Empty string: unknown, a mode of its own.
  std::vector<std::string> modes;
};

}  // namespace grpo
