/// Samples with the policy's own weights, in this process: nothing to copy, nothing to fall out of step.
#pragma once

#include "libgrpo/policy/causal_lm.hpp"
#include "libgrpo/sampler/sampler.hpp"
#include "libgrpo/sampler/token_decoder.hpp"
#include "libgrpo/text/tokenizer.hpp"

namespace grpo {

/// Where the seconds of a generate() went.
struct SamplingTimes {
  DecoderTimes decoder;
  double drawing = 0.0;
};

class InProcessSampler final : public Sampler {
 public:
  /// Both must outlive the sampler. `max_rows` bounds how many completions grow at once (their cache is what costs memory).
  InProcessSampler(const CausalLm& model, const Tokenizer& tokenizer, std::int64_t max_rows = 256);

  [[nodiscard]] std::vector<Group> generate(const std::vector<Prompt>& prompts, const SamplingParams& params) override;
  /// Half precision off the CPU rounds a text differently with other texts beside it.
  [[nodiscard]] bool exact_log_probs() const override { return model_.device().is_cpu() || model_.config().dtype == WeightType::float32; }
  void refresh(const Policy& /*policy*/, std::int64_t /*version*/) override {}  // the weights are the policy's own
  /// Of the latest generate().
  [[nodiscard]] const SamplingTimes& times() const { return times_; }

 private:
  const CausalLm& model_;
  const Tokenizer& tokenizer_;
  std::int64_t max_rows_;
  SamplingTimes times_;
};

}  // namespace grpo
