#include "libgrpo/base/check.hpp"
#include "libgrpo/base/random.hpp"
#include "libgrpo/data/prompt_set.hpp"

#include <fmt/format.h>

#include <limits>
#include <numeric>

namespace grpo {

PromptOrder::PromptOrder(std::size_t size, std::size_t batch, std::uint64_t seed, bool shuffle)
    : size_(size), batch_(batch), seed_(seed), shuffle_(shuffle) {
  GRPO_CHECK(batch > 0, "a batch of prompts holds at least one");
  if (size < batch) {
    throw Error{ErrorKind::data, fmt::format("{} prompts do not fill one batch of {}: use a larger dataset, or lower the "
                                             "prompts per step (generation_batch_size / num_generations)",
                                             size, batch)};
  }
  if (size > std::numeric_limits<std::uint32_t>::max()) {
    throw Error{ErrorKind::data, fmt::format("{} prompts are more than 2^32 - 1; split the dataset", size)};
  }
}

std::size_t PromptOrder::row(std::uint64_t position) {
  const std::uint64_t epoch = position / prompts_per_epoch();
  if (order_.empty() || (shuffle_ && epoch != cached_epoch_)) {
    if (shuffle_) {
      order_ = random_permutation(static_cast<std::uint32_t>(size_), RandomStream(seed_, "order", epoch));
    } else {
      order_.resize(size_);
      std::iota(order_.begin(), order_.end(), 0U);
    }
    cached_epoch_ = epoch;
  }
  return order_[position % prompts_per_epoch()];
}

double PromptOrder::epoch(std::uint64_t position) const { return static_cast<double>(position) / static_cast<double>(prompts_per_epoch()); }

}  // namespace grpo
