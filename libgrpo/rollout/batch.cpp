#include "libgrpo/rollout/batch.hpp"

#include "libgrpo/base/check.hpp"
#include "libgrpo/tensor/precompiled.hpp"

#include <algorithm>
#include <span>

namespace grpo {
namespace {

using Ids = std::vector<std::int32_t>;

/// Below this a shared beginning is not worth a segment of its own.
constexpr std::size_t kShortestSharedPrefix = 4;

/// Length of the longest beginning that all prompts share, leaving each at least one token of its own.
std::size_t common_prefix(const std::vector<const Ids*>& prompts) {
  if (prompts.size() < 2) return 0;
  std::size_t shared = prompts.front()->size() - 1;
  for (const Ids* prompt : prompts) {
    shared = std::min(shared, prompt->size() - 1);
    std::size_t same = 0;
    while (same < shared && (*prompt)[same] == (*prompts.front())[same]) ++same;
    shared = same;
  }
  return shared < kShortestSharedPrefix ? 0 : shared;
}

/// Builds the packed rows: ids, positions and tree grow together.
class Packer {
 public:
  std::int64_t add(std::span<const std::int32_t> ids, std::int64_t parent) {
    const std::int64_t index = tree.add(static_cast<std::int64_t>(ids.size()), parent);
    std::int64_t position = tree.segments.back().position;
    for (const std::int32_t id : ids) {
      ids_.push_back(id);
      positions_.push_back(position++);
    }
    return index;
  }
  [[nodiscard]] at::Tensor ids() const { return at::tensor(ids_, at::kLong); }
  [[nodiscard]] at::Tensor positions() const { return at::tensor(positions_, at::kLong); }
  /// Adds prompts below their common beginning; returns each one's leaf segment.
  std::vector<std::int64_t> add_prompts(const std::vector<const Ids*>& prompts) {
    const std::size_t shared = common_prefix(prompts);
    const std::int64_t root = shared > 0 ? add(std::span(*prompts.front()).first(shared), -1) : -1;
    std::vector<std::int64_t> leaves;
    for (const Ids* prompt : prompts) leaves.push_back(add(std::span(*prompt).subspan(shared), root));
    return leaves;
  }

  SegmentTree tree;

 private:
  std::vector<std::int64_t> ids_, positions_;
};

std::int64_t last_row(const SegmentTree& tree, std::int64_t segment) {
  const Segment& s = tree.segments[static_cast<std::size_t>(segment)];
  return s.begin + s.length - 1;
}

}  // namespace

Batch::Batch(const std::vector<Group>& groups) {
  std::vector<float> log_probs, entropies;
  std::vector<std::int64_t> completion_of;
  first_token_.push_back(0);
  for (const Group& group : groups) {
    GRPO_CHECK(!group.prompt.ids.empty(), "a prompt has at least one token (" + group.prompt.source + ")");
    prompts_.push_back(group.prompt.ids);
    for (const Completion& completion : group.completions) {
      GRPO_CHECK(!completion.ids.empty(), "a completion has at least one token (" + group.prompt.source + ")");
      GRPO_CHECK_EQ(completion.ids.size(), completion.log_probs.size(), "one log-prob per sampled token");
      completion_of.insert(completion_of.end(), completion.ids.size(), num_completions());
      group_of_.push_back(num_groups() - 1);
      completions_.push_back(completion.ids);
      truncated_.push_back(completion.finish == FinishReason::length);
      log_probs.insert(log_probs.end(), completion.log_probs.begin(), completion.log_probs.end());
      entropies.insert(entropies.end(), completion.entropies.begin(), completion.entropies.end());
      first_token_.push_back(static_cast<std::int64_t>(log_probs.size()));
    }
  }
  completion_of_ = at::tensor(completion_of, at::kLong);
  sampler_log_probs_ = at::tensor(log_probs, at::kFloat);
  if (entropies.size() == log_probs.size()) sampler_entropies_ = at::tensor(entropies, at::kFloat);
}

std::int64_t Batch::length(std::int64_t completion) const {
  const auto i = static_cast<std::size_t>(completion);
  return first_token_[i + 1] - first_token_[i];
}

std::vector<Part> Batch::parts(std::int64_t token_budget, const std::vector<bool>& active) const {
  GRPO_CHECK(token_budget >= 1, "a part holds at least one row");
  GRPO_CHECK(active.empty() || active.size() == completions_.size(), "one flag per completion");
  std::vector<Part> found;
  std::vector<Run> runs;
  std::int64_t rows = 0;
  const auto flush = [&] {
    if (!runs.empty()) found.push_back(pack(runs));
    runs.clear();
    rows = 0;
  };
  for (std::int64_t i = 0; i < num_completions(); ++i) {
    const auto at = static_cast<std::size_t>(i);
    if (!active.empty() && !active[at]) continue;
    const std::int64_t group = group_of_[at];
    const auto prompt_rows = static_cast<std::int64_t>(prompts_[static_cast<std::size_t>(group)].size());
    const std::int64_t own_rows = length(i) - 1;
    bool joins = !runs.empty() && runs.back().group == group;
    if (!runs.empty() && rows + own_rows + (joins ? 0 : prompt_rows) > token_budget) {
      flush();
      joins = false;
    }
    if (!joins) {
      runs.push_back({group, {}});
      rows += prompt_rows;
    }
    runs.back().completions.push_back(i);
    rows += own_rows;
  }
  flush();
  return found;
}

Part Batch::pack(const std::vector<Run>& runs) const {
  std::vector<const Ids*> prompts;
  for (const Run& run : runs) prompts.push_back(&prompts_[static_cast<std::size_t>(run.group)]);
  Packer packer;
  const auto leaves = packer.add_prompts(prompts);
  std::vector<std::int64_t> source, targets, tokens, completion;
  std::int64_t completions = 0;
  for (std::size_t r = 0; r < runs.size(); ++r) {
    for (const std::int64_t c : runs[r].completions) {
      const Ids& ids = completions_[static_cast<std::size_t>(c)];
      std::int64_t row = last_row(packer.tree, leaves[r]);
      std::int64_t next = row;
      if (ids.size() > 1) {
        const std::int64_t own = packer.add(std::span(ids).first(ids.size() - 1), leaves[r]);
        next = packer.tree.segments[static_cast<std::size_t>(own)].begin;
      }
      for (std::size_t t = 0; t < ids.size(); ++t) {
        source.push_back(row);
        targets.push_back(ids[t]);
        tokens.push_back(first_token_[static_cast<std::size_t>(c)] + static_cast<std::int64_t>(t));
        completion.push_back(completions);
        row = next++;
      }
      ++completions;
    }
  }
  return {packer.ids(),
          packer.positions(),
          packer.tree,
          at::tensor(source, at::kLong),
          at::tensor(targets, at::kLong),
          at::tensor(tokens, at::kLong),
          at::tensor(completion, at::kLong),
          completions};
}

PackedPrompts pack_prompts(const std::vector<std::vector<std::int32_t>>& prompts) {
  std::vector<const Ids*> pointers;
  for (const Ids& prompt : prompts) {
    GRPO_CHECK(!prompt.empty(), "a prompt has at least one token");
    pointers.push_back(&prompt);
  }
  Packer packer;
  PackedPrompts packed;
  packed.leaf = packer.add_prompts(pointers);
  packed.ids = packer.ids();
  packed.positions = packer.positions();
  packed.tree = packer.tree;
  for (const std::int64_t leaf : packed.leaf) packed.last_row.push_back(last_row(packed.tree, leaf));
  return packed;
}

}  // namespace grpo
