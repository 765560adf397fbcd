/// Completions of many prompts, growing side by side: rows that finish leave, those that wait take their places.
///
/// At most `max_rows` completions grow at once. What prompts share is computed once, a prompt when its first completion enters,
/// in the same step as the tokens of those that grow already; its keys and values go with its last completion.
#pragma once

#include "libgrpo/rollout/batch.hpp"
#include "libgrpo/sampler/decoder.hpp"
#include "libgrpo/sampler/sampler.hpp"
#include "libgrpo/sampler/select_token.hpp"
#include "libgrpo/text/tokenizer.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace grpo {

class ContinuousBatch {
 public:
  /// Completions of `groups` are empty, params.num_generations each. All references must outlive the batch.
  ContinuousBatch(const CausalLm& model, const Tokenizer& tokenizer, const SamplingParams& params, std::vector<Group>& groups,
                  std::int64_t max_rows);

  /// Fills in ids, log-probs, entropies and finish reasons. throws: Error{numeric} if logits are not finite
  void run();

  [[nodiscard]] const DecoderTimes& decoder_times() const { return decoder_.times(); }
  [[nodiscard]] double drawing_seconds() const { return drawing_; }
  /// Pages of keys and values that lived at once.
  [[nodiscard]] std::int64_t pages() const { return decoder_.pool().made(); }

 private:
  /// One completion that is still growing.
  struct Row {
    std::size_t group, sample;
    std::shared_ptr<TextRun> run = {};
    const float* logits = nullptr;  // of its next token
    std::string tail = {};          // of the text, where stop sequences may be half written
  };
  struct Segment {
    std::shared_ptr<TextRun> run = {};
    std::int64_t waiting = 0;  // prompts behind it that have completions to come
  };

  [[nodiscard]] std::vector<std::size_t> path_of(std::size_t group) const;
  void admit();
  void enter_prompt(std::size_t group);
  void leave_prompt(std::size_t group);
  void step();
  [[nodiscard]] std::vector<SelectedToken> draw() const;
  bool append(Row& row, const SelectedToken& token);

  const ModelConfig& config_;
  const Tokenizer& tokenizer_;
  const SamplingParams& params_;
  std::vector<Group>& groups_;
  const std::size_t max_rows_;
  Decoder decoder_;
  PackedPrompts prompts_;
  std::vector<Segment> segments_;
  std::vector<std::vector<float>> prompt_logits_;  // [B][V], while completions of the prompt are to begin
  std::size_t next_ = 0;                           // completion that enters next, groups one after the other
  std::vector<Row> rows_;
  std::vector<Decoder::Input> inputs_;
  std::vector<std::size_t> entering_;  // prompts whose logits the step computes
  double drawing_ = 0.0;
};

}  // namespace grpo
