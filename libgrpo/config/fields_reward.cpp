#include "libgrpo/config/field.hpp"
#include "libgrpo/config/field_builders.hpp"

namespace grpo {

using namespace field_list;

std::vector<Field> reward_fields(RewardOptions& o) {
  return {
      {"reward", "reward_funcs", &o.reward_funcs, "names", "reward functions; their weighted sum is the reward"},
      {"reward", "reward_weights", &o.reward_weights, "numbers", "one weight for each reward function; empty: all 1"},
      {"reward", "soft_punish_cache", &o.soft_punish_cache, "tokens",
       "soft_overlong_punishment falls from 0 to -1 over the last so many tokens before max_completion_length", count(1)},
      {"reward", "reward_args", &o.reward_args, "json",
       "arguments of single rewards, such as {\"cosine\": {\"max_len\": 800}}; docs/guides/rewards.md lists them"},
      {"reward", "reward_command", &o.reward_command, "json",
       "programs that judge completions, JSON lines in and out, by their names in reward_funcs: {\"mine\": \"python3 mine.py\"}; a text "
       "goes "
       "to sh, a list of words is run as it is"},
      {"reward", "reward_url", &o.reward_url, "json",
       "servers that judge the completions of a group in one POST, by their names in reward_funcs: {\"judge\": "
       "\"http://127.0.0.1:8000/score\"}"},
      {"reward", "reward_library", &o.reward_library, "json",
       "shared libraries that hold a reward in C or C++, by their names in reward_funcs: {\"mine\": \"./libmine.so\"}"},
      {"reward",
       "reward_workers",
       &o.reward_workers,
       "threads",
       "groups judged at a time, beside the sampling of those that follow; also the processes kept for each program",
       {.low = 1.0, .high = 1024.0}},
      {"reward",
       "reward_timeout",
       &o.reward_timeout,
       "seconds",
       "what a program or a jailed test may take for one completion, and a server for one group",
       {.low = 0.0, .high = 86400.0, .low_open = true}},
      {"reward", "reward_retries", &o.reward_retries, "times", "how often a verdict that failed is asked for again", count(0)},
      {"reward", "max_reward_failures", &o.max_reward_failures, "share",
       "stop, with everything saved, when more than this share of a reward's verdicts failed in one generation batch; those that fail are "
       "left out of "
       "the loss",
       closed(0, 1)},
  };
}

}  // namespace grpo
