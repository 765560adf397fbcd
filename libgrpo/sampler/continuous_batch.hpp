/// Completions of many prompts, growing side by side: rows that finish leave, those that wait take their places.
///
/// A Wave is a set of prompts that are sampled alike; a batch holds completions of any number of waves, each with its own
/// parameters and seed. At most `max_rows` completions grow at once. What prompts of a wave share is computed once, a prompt when
/// its first completion enters, in the same step as the tokens of those that grow already; its keys and values go with its last
/// completion, or stay in the prefix cache for later waves.
#pragma once

#include "libgrpo/rollout/batch.hpp"
#include "libgrpo/sampler/prefix_cache.hpp"
#include "libgrpo/sampler/sampler.hpp"
#include "libgrpo/sampler/select_token.hpp"
#include "libgrpo/sampler/token_decoder.hpp"
#include "libgrpo/text/tokenizer.hpp"

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace grpo {

/// What a server's request may ask for besides SamplingParams.
struct WaveOptions {
  std::vector<std::pair<std::int32_t, float>> logit_bias;  ///< token, what is added to its logit before anything else
  std::int64_t top_log_probs = 0;                          ///< so many likeliest tokens are named beside each one drawn
  /// Called when a completion has got a token, and when it has ended, from the thread that steps: group, sample.
  std::function<void(std::size_t, std::size_t)> on_token, on_finish;
};

/// A token that might have been drawn. log_prob in nats, of the distribution that the drawn token's is of.
struct Alternative {
  std::int32_t id;
  float log_prob;
};

/// Groups on their way through a batch. thread: that of the batch
class Wave {
 public:
  /// Completions of `groups` are empty, params.num_generations each. Both must outlive the wave.
  Wave(std::vector<Group>& groups, const SamplingParams& params, WaveOptions options = {});

  /// Whether completions have yet to enter.
  [[nodiscard]] bool waiting() const { return next_ < completions(); }
  [[nodiscard]] bool begun() const { return next_ > 0; }
  /// Whether all completions have ended, or one failed.
  [[nodiscard]] bool done() const { return failure_ || finished_ == completions(); }
  /// Error{numeric}, if the logits of a completion were not finite.
  [[nodiscard]] const std::exception_ptr& failure() const { return failure_; }
  /// Beside each token of a completion, the likeliest first; empty unless asked for.
  [[nodiscard]] const std::vector<std::vector<Alternative>>& alternatives(std::size_t group, std::size_t sample) const {
    return alternatives_[group * per_group() + sample];
  }

 private:
  friend class ContinuousBatch;
  struct Segment {
    std::shared_ptr<TextRun> run = {};
    std::int64_t waiting = 0;  // prompts behind it that have completions to come
  };
  [[nodiscard]] std::size_t per_group() const { return static_cast<std::size_t>(params_.num_generations); }
  [[nodiscard]] std::size_t completions() const { return groups_.size() * per_group(); }
  [[nodiscard]] std::vector<std::size_t> path_of(std::size_t group) const;
  void leave_prompt(std::size_t group);

  std::vector<Group>& groups_;
  const SamplingParams& params_;
  const WaveOptions options_;
  PackedPrompts prompts_;
  std::vector<Segment> segments_;
  std::vector<std::vector<float>> prompt_logits_;                    // [B][V], while completions of the prompt are to begin
  std::vector<std::vector<std::vector<Alternative>>> alternatives_;  // [B*G][tokens], or nothing
  std::size_t next_ = 0;                                             // completion that enters next, groups one after the other
  std::size_t finished_ = 0;
  std::exception_ptr failure_;
};

class ContinuousBatch {
 public:
  /// References must outlive the batch. `prefix_tokens`: what the prefix cache may hold.
  ContinuousBatch(const CausalLm& model, const Tokenizer& tokenizer, std::int64_t max_rows, std::int64_t prefix_tokens = 0);

  /// Fills in ids, log-probs, entropies and finish reasons of a wave. throws: Error{numeric} if logits are not finite
  void run(Wave& wave);

  [[nodiscard]] bool full() const { return rows_.size() >= max_rows_; }
  /// Completions that grow.
  [[nodiscard]] std::size_t rows() const { return rows_.size(); }
  /// The next completion of a waiting wave takes a place. The wave must outlive its completions here, or be removed.
  void enter(Wave& wave);
  /// One token for every completion that grows. Those of a wave that fails leave.
  void step();
  /// Takes the completions of a wave out, as they are. Only between a step and the next enter().
  void remove(const Wave& wave);
  /// Goes on with other weights, of a model of the same shape. Keys and values that texts have stay; the prefix cache is emptied.
  void use(const CausalLm& model);
  [[nodiscard]] PrefixCache& prefix_cache() { return cache_; }

  [[nodiscard]] const DecoderTimes& decoder_times() const { return decoder_->times(); }
  [[nodiscard]] double drawing_seconds() const { return drawing_; }
  /// Pages of keys and values that lived at once.
  [[nodiscard]] std::int64_t pages() const { return decoder_->pages(); }

 private:
  /// One completion that is still growing.
  struct Row {
    Wave* wave;
    std::size_t group, sample;
    std::shared_ptr<TextRun> run = {};
    const float* logits = nullptr;  // of its next token
    std::string tail = {};          // of the text, where stop sequences may be half written

    [[nodiscard]] Completion& completion() const { return wave->groups_[group].completions[sample]; }
  };
  struct Drawn {
    SelectedToken token;
    std::vector<Alternative> alternatives = {};
    std::exception_ptr failure = {};
  };
  struct Entering {
    Wave* wave;
    std::size_t group;
    std::shared_ptr<TextRun> end;
  };

  void enter_prompt(Wave& wave, std::size_t group);
  void decode();
  [[nodiscard]] std::vector<Drawn> draw() const;
  [[nodiscard]] Drawn draw(const Row& row) const;
  bool append(Row& row, Drawn&& drawn);

  const ModelConfig* config_;
  const Tokenizer& tokenizer_;
  const std::size_t max_rows_;
  std::unique_ptr<TokenDecoder> decoder_;
  PrefixCache cache_;
  std::vector<Row> rows_;
  std::vector<TokenDecoder::Input> inputs_;
  std::vector<Entering> entering_;  // prompts whose logits the step computes
  double drawing_ = 0.0;
};

}  // namespace grpo
