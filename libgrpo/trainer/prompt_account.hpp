/// The account of a run's prompts: in each epoch, none is lost and none is trained on twice.
///
/// The trainer's cursor says how many prompts were drawn. The account says, by the ids of the groups that updates were made of, which were
/// trained on, and how many in all; a checkpoint keeps both. They are counted apart so that they can disagree: then a checkpoint, a batch
/// made ahead or the order of prompts is wrong, and the run ends before it trains on the wrong things. With dynamic sampling, groups that are
/// discarded count as accounted for; a batch may then reach into the next epoch, where a prompt may come again.
#pragma once

#include "libgrpo/policy/tensor_file.hpp"
#include "libgrpo/types/group.hpp"

#include <cstdint>
#include <set>
#include <span>

namespace grpo {

/// cost: a tree node for each prompt of the epoch; 8 bytes of it in a checkpoint
class PromptAccount {
 public:
  PromptAccount() = default;
  /// As state() gave it; empty: nothing is known of what came before. throws: Error{data} if it is no such thing
  explicit PromptAccount(const NamedTensors& state);
  [[nodiscard]] NamedTensors state() const;

  /// Before the first update of this process, with `accounted` prompts trained on or discarded before. `order`: a key of what decides which
  /// prompts come when (size, seed, batches): under another one the account begins anew.
  /// throws: Error{contract} if the account says another number
  void open(std::uint64_t order, std::uint64_t prompts_per_epoch, std::uint64_t accounted);
  /// A generation batch was drawn from [first, end) in the order of prompts; its groups are not trained on yet.
  /// throws: Error{contract} if prompts before it are not accounted for, or it has more groups than prompts
  void begin_batch(std::uint64_t first, std::uint64_t end, std::size_t groups);
  /// Groups of this batch are trained on for the first time. throws: Error{contract} naming a prompt that was trained on before
  void train(std::span<const Group> groups);

 private:
  [[nodiscard]] bool is_new(std::uint64_t id);
  std::uint64_t order_ = 0, per_epoch_ = 1;
  std::uint64_t accounted_ = 0;   // trained on or discarded since the run began
  std::uint64_t epoch_ = 0;       // in which the batch at hand began
  std::uint64_t batch_end_ = 0;   // of the batch at hand
  std::set<std::uint64_t> ids_;   // trained on in the epoch
  std::set<std::uint64_t> next_;  // and in the one behind it
};

}  // namespace grpo
