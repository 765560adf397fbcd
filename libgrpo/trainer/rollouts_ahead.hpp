/// Generation batches made ahead of their turn: while one batch trains, those after it are sampled and rewarded.
///
/// Let a batch's first update be number u (0 for the run's first). It may be begun once u - max_staleness updates are done, so
/// when it is trained on, the weights it was begun with are at most max_staleness updates old; 0 is the order of a run without
/// this class. Several batches may be under way at a time, so that the long completions of one do not hold up the next; a
/// sampler that learns of new weights meanwhile goes on with them. What the older weights change in the loss is corrected by
/// truncated importance sampling, since the sampler's log-probs are kept.
///
/// The schedule is IMPALA's (Espeholt et al. 2018, section 3) with a bound as in AReaL (Fu et al. 2025, section 5.1).
#pragma once

#include "libgrpo/trainer/rollouts.hpp"

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <limits>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

namespace grpo {

struct AheadOptions {
  std::int64_t max_staleness = 1;      ///< updates between the weights a batch was begun with and the first it is used for
  std::int64_t updates_per_batch = 1;  ///< optimizer steps on each batch
  std::int64_t total_updates = std::numeric_limits<std::int64_t>::max();  ///< of the run: no batch is begun that would come after them
};

/// A batch that waits for its turn.
struct BatchAhead {
  ScoredGroups scored;
  std::uint64_t cursor = 0;  ///< prompts drawn since the run began, this batch's among them
  std::int64_t weights = 0;  ///< updates done when it was begun
};

class RolloutsAhead {
 public:
  /// Makes the batch whose prompts begin at the cursor, and moves the cursor behind them; called from one thread at a time.
  using Make = std::function<ScoredGroups(std::uint64_t& cursor, Phases& phases)>;

  /// One thread per maker. All ranks have as many makers, each with a World of its own, in the same order: batch b is made by
  /// maker b modulo their number. With several of them the prompts of a batch must be known before the one ahead of it is done.
  /// `prompts`: drawn by each batch (ignored with one maker)
  RolloutsAhead(std::vector<Make> makers, std::size_t prompts, AheadOptions options);
  /// Waits for the batches under way.
  ~RolloutsAhead();
  RolloutsAhead(const RolloutsAhead&) = delete;
  RolloutsAhead& operator=(const RolloutsAhead&) = delete;

  /// Starts making, from the batch whose first update is `update`; `cursor`: prompts drawn before it. Nothing if it has started.
  void start(std::int64_t update, std::uint64_t cursor);
  /// The sampler now has the weights after `updates` updates.
  void weights_changed(std::int64_t updates);
  /// The next batch in order; waits for it. Adds the wait as phase "sample".
  /// throws: what its maker threw
  BatchAhead next(Phases& phases);
  /// Begins no batch any more; those under way are finished and then among waiting().
  void stop();
  /// The batches that are made and not used, by their distance from the next (0: the next), and only those.
  [[nodiscard]] std::map<std::int64_t, BatchAhead> waiting() const;

 private:
  void work(std::size_t maker);
  [[nodiscard]] bool may_begin(std::int64_t batch) const;

  std::vector<Make> makers_;
  std::uint64_t prompts_;
  AheadOptions options_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::int64_t, BatchAhead> made_;  // by number; batch 0 is the first after start()
  std::int64_t next_ = 0;                    // to be used
  std::int64_t first_update_ = 0;            // of batch 0
  std::int64_t weights_ = 0;
  std::uint64_t cursor_ = 0;  // before batch 0; with one maker: before the batch it makes next
  bool stopped_ = false;
  std::exception_ptr failure_;
  std::vector<std::thread> threads_;
};

}  // namespace grpo
