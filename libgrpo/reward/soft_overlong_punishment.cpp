#include "libgrpo/base/error.hpp"
#include "libgrpo/reward/builtin.hpp"
#include "libgrpo/reward/reward_args.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace grpo::detail {

std::unique_ptr<RewardFn> make_soft_overlong_punishment(const RewardSettings& settings) {
  RewardArgs args("soft_overlong_punishment", settings.args);
  const std::int64_t longest = settings.max_completion_length;
  const std::int64_t cache = args.integer("soft_punish_cache", settings.soft_punish_cache, 1, 1000000000);
  args.done();
  if (cache < 1 || cache > longest)
    throw Error(ErrorKind::recipe, fmt::format("soft_punish_cache {} is not within 1 and max_completion_length {}: punishment starts at "
                                               "their difference",
                                               cache, longest));
  return make_reward("soft_overlong_punishment", [longest, cache](const Prompt&, const Completion& completion) {
    const auto over = static_cast<double>(static_cast<std::int64_t>(completion.ids.size()) - (longest - cache));
    return Reward::of(-std::clamp(over / static_cast<double>(cache), 0.0, 1.0));
  });
}

}  // namespace grpo::detail
