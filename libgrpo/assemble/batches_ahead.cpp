#include "libgrpo/assemble/batches_ahead.hpp"

namespace grpo {

BatchesAhead::BatchesAhead(const PromptSet& prompts, const PromptOrder& order, Sampler& sampler, const RewardSet& reward,
                           const RolloutOptions& options, AheadOptions ahead) {
  const std::int64_t under_way = options.dynamic_sampling ? 1 : 1 + ahead.max_staleness / ahead.updates_per_batch;
  std::vector<RolloutsAhead::Make> make;
  for (std::int64_t i = 0; i < under_way; ++i) {
    Maker& maker = *makers_.emplace_back(std::make_unique<Maker>(Maker{order, nullptr}));
    maker.rollouts = std::make_unique<Rollouts>(*solo_, prompts, maker.order, sampler, reward, options);
    make.push_back([&maker](std::uint64_t& cursor, Phases& phases) { return maker.rollouts->next(cursor, phases); });
  }
  batches_ = std::make_unique<RolloutsAhead>(std::move(make), order.batch_size(), ahead);
}

}  // namespace grpo
