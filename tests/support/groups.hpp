/// Small groups with known numbers.
#pragma once

#include "libgrpo/types/reward.hpp"
#include "tests/support/tiny_model.hpp"

#include <cmath>

namespace grpo::testing {

/// `sizes` completions of 1, 2, 3, ... tokens in each group, log-probs -1 and entropies 1 everywhere, ended by themselves.
inline std::vector<Group> make_groups(const std::vector<int>& sizes) {
  std::vector<Group> groups;
  for (std::size_t g = 0; g < sizes.size(); ++g) {
    Group group{make_prompt(g, std::string("q").append(std::to_string(g))), {}};
    for (int length = 1; length <= sizes[g]; ++length) {
      Completion c;
      c.ids.assign(static_cast<std::size_t>(length), 65);
      c.log_probs.assign(c.ids.size(), -1.0F);
      c.entropies.assign(c.ids.size(), 1.0F);
      c.finish = FinishReason::stop;
      group.completions.push_back(c);
    }
    groups.push_back(group);
  }
  return groups;
}

inline std::vector<Group> two_groups() { return make_groups({3, 3}); }

/// One reward function; NaN is a failed reward.
inline RewardTable rewards(const std::vector<double>& values) {
  RewardTable table;
  table.columns = {{"r", 1.0, {}, 0.0}};
  for (const double v : values) table.columns[0].rewards.push_back(std::isnan(v) ? Reward::failed("lost") : Reward::of(v));
  return table;
}

}  // namespace grpo::testing
