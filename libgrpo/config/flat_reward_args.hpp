/// open-r1's flat options of single rewards (`cosine_max_len`, `repetition_n_grams`), put where reward_args has them. For load.cpp alone.
#pragma once

#include "libgrpo/config/reward_options.hpp"
#include "libgrpo/config/value.hpp"

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace grpo {

class FlatRewardArgs {
 public:
  /// Whether the entry is one of them; it then is kept, the later one of a name. `why`: what is wrong with its value
  bool take(const Entry& entry, const std::string& place, std::string& why);
  /// Those of rewards that reward_funcs names go into reward_args, which wins where it says the same; of the others a note tells.
  void put_into(RewardOptions& options, std::vector<std::string>& notes) const;

 private:
  struct Kept {
    std::string json;  ///< {"max_len": 1000}
    std::string place;
  };
  std::map<std::string, Kept> kept_;  // by flat name
};

}  // namespace grpo
