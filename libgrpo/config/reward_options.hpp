/// Options of the rewards ([reward]). What each means, its unit and its range are said in the field list (fields_reward.cpp).
#pragma once

#include "libgrpo/config/data_options.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace grpo {

struct RewardOptions {
  std::vector<std::string> reward_funcs = {"pure_accuracy_math"};
  std::vector<double> reward_weights;  ///< empty: every weight is 1
  std::int64_t soft_punish_cache = 4096;
  std::optional<JsonTable> reward_args;     ///< reward -> its arguments
  std::optional<JsonTable> reward_command;  ///< reward -> command line, or list of words
  std::optional<JsonTable> reward_url;      ///< reward -> http://host:port/path
  std::optional<JsonTable> reward_library;  ///< reward -> path of a shared library
  std::int64_t reward_workers = 4;
  double reward_timeout = 10.0;  ///< seconds
  std::int64_t reward_retries = 1;
  double max_reward_failures = 0.5;
  bool operator==(const RewardOptions&) const = default;
};

}  // namespace grpo
