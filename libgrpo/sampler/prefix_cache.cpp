#include "libgrpo/sampler/prefix_cache.hpp"

#include <algorithm>
#include <utility>

namespace grpo {
namespace {

using std::int64_t;

int64_t common(std::span<const std::int32_t> a, std::span<const std::int32_t> b) {
  return std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin();
}

/// The first `tokens` tokens of the text that ends with `run`. A page may be filled further: how much of it is seen is the run's length.
std::shared_ptr<TextRun> beginning(std::shared_ptr<TextRun> run, int64_t tokens) {
  while (run->position >= tokens) run = run->parent;
  if (run->position + run->length == tokens) return run;
  auto part = std::make_shared<TextRun>(run->parent);
  part->position = run->position;
  part->length = tokens - run->position;
  part->pages.assign(run->pages.begin(), run->pages.begin() + (part->length + kPageTokens - 1) / kPageTokens);
  return part;
}

}  // namespace

std::shared_ptr<TextRun> PrefixCache::find(std::span<const std::int32_t> ids, int64_t most) {
  const auto wanted = ids.first(static_cast<std::size_t>(std::min(most, static_cast<int64_t>(ids.size()))));
  int64_t longest = 0;
  auto best = kept_.end();
  for (auto one = kept_.begin(); one != kept_.end(); ++one)
    if (const int64_t length = common(wanted, one->ids); length > longest) {
      longest = length;
      best = one;
    }
  if (best == kept_.end()) return nullptr;
  kept_.splice(kept_.begin(), kept_, best);
  found_ += longest;
  return beginning(best->end, longest);
}

void PrefixCache::keep(std::vector<std::int32_t> ids, std::shared_ptr<TextRun> end) {
  if (static_cast<int64_t>(ids.size()) > max_tokens_) return;
  // A prompt that goes on where a kept one ends says all that the kept one does.
  kept_.remove_if([&](const Kept& one) {
    const bool covered = common(one.ids, ids) == static_cast<int64_t>(one.ids.size());
    if (covered) tokens_ -= static_cast<int64_t>(one.ids.size());
    return covered;
  });
  tokens_ += static_cast<int64_t>(ids.size());
  kept_.push_front({std::move(ids), std::move(end)});
  for (; tokens_ > max_tokens_; kept_.pop_back()) tokens_ -= static_cast<int64_t>(kept_.back().ids.size());
}

void PrefixCache::clear() {
  kept_.clear();
  tokens_ = 0;
}

}  // namespace grpo
