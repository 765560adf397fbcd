/// Stopping inside a step: a signal ends sampling after the token at hand, and what is finished is not drawn again.
///
/// Draws have keys, so a group that is drawn again is the same group; keeping it saves the time. A step that is stopped has changed
/// nothing: prompts are drawn again, and generate() gives the finished groups out of the checkpoint (finished.jsonl) and draws the
/// others.
#pragma once

#include "libgrpo/dist/world.hpp"
#include "libgrpo/sampler/sampler.hpp"
#include "libgrpo/text/tokenizer.hpp"

#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace grpo {

/// Thrown out of a step when the run is to stop; on all ranks alike where it leaves Trainer::step().
struct StepStopped {
  std::string finished = {};  ///< groups as JSON lines (saved_groups.hpp) with their "seed"
};

/// A sampler that can be stopped. thread: as the sampler it wraps
class StoppableSampler final : public Sampler {
 public:
  /// All must outlive it.
  StoppableSampler(Sampler& inner, World& world, const Tokenizer& tokenizer) : inner_(inner), world_(world), tokenizer_(tokenizer) {}

  /// Groups that a stopped step had finished. Ids must lie below vocab_size, a prompt with a completion within context_length.
  /// throws: Error{data} saying what is wrong, without file and line
  void keep(std::string_view line, std::int64_t vocab_size, std::int64_t context_length);
  /// Stops once `stop` is true here, or any rank was stopped; null: never. It must outlive the run.
  void listen(const std::atomic<bool>* stop) { stop_ = stop; }

  /// throws: StepStopped with the groups of this call that are finished; otherwise as the sampler it wraps
  [[nodiscard]] std::vector<Group> generate(const std::vector<Prompt>& prompts, const SamplingParams& params) override;
  [[nodiscard]] bool exact_log_probs() const override { return inner_.exact_log_probs(); }
  [[nodiscard]] std::map<std::string, double> counts() const override { return inner_.counts(); }
  void refresh(const Policy& policy, std::int64_t version) override { inner_.refresh(policy, version); }

 private:
  [[nodiscard]] const Group* kept(const Prompt& prompt, const SamplingParams& params) const;
  [[nodiscard]] bool wanted() const;
  Sampler& inner_;
  World& world_;
  const Tokenizer& tokenizer_;
  const std::atomic<bool>* stop_ = nullptr;
  std::map<std::pair<std::uint64_t, std::uint64_t>, Group> kept_;  // by seed and prompt id
};

/// Groups as StepStopped::finished holds them.
std::string finished_lines(const std::vector<Group>& groups, std::uint64_t seed);

}  // namespace grpo
