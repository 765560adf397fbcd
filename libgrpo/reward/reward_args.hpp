/// What a recipe tells one reward: `reward_args = {cosine = {max_len = 800}, regex = {pattern = "\\d+"}}`. Internal to reward/.
///
/// Each reward asks for its arguments by name, with a default and a range, then says done(): a name that nobody asked for is an
/// error with the nearest one that exists.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace grpo::detail {

class RewardArgs {
 public:
  /// The table of `reward` within `tables`, a JSON object of objects. throws: Error{recipe} if it is none
  RewardArgs(std::string_view reward, const std::string& tables);

  /// throws: Error{recipe} if the argument is no number within [low, high]
  double number(const std::string& name, double fallback, double low, double high);
  std::int64_t integer(const std::string& name, std::int64_t fallback, std::int64_t low, std::int64_t high);
  std::string text(const std::string& name, std::string fallback);
  bool flag(const std::string& name, bool fallback);
  /// throws: Error{recipe} if the table has an argument that was not asked for
  void done() const;

  /// throws: Error{recipe} if `tables` has a table for a reward that is not among `rewards`
  static void check_names(const std::string& tables, const std::vector<std::string>& rewards);

 private:
  struct Table;  // JSON stays out of headers

  std::string reward_;
  std::shared_ptr<Table> table_;
};

}  // namespace grpo::detail
