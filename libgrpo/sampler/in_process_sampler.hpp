/// Samples with the policy's own weights, in this process: nothing to copy, nothing to fall out of step.
#pragma once

#include "libgrpo/policy/causal_lm.hpp"
#include "libgrpo/sampler/sampler.hpp"
#include "libgrpo/text/tokenizer.hpp"

namespace grpo {

class InProcessSampler final : public Sampler {
 public:
  /// Both must outlive the sampler. `max_rows` bounds how many completions grow at once (their cache is what costs memory).
  InProcessSampler(const CausalLm& model, const Tokenizer& tokenizer, std::int64_t max_rows = 256);

  [[nodiscard]] std::vector<Group> generate(const std::vector<Prompt>& prompts, const SamplingParams& params) override;
  [[nodiscard]] bool exact_log_probs() const override { return true; }
  void refresh(const Policy& /*policy*/) override {}  // the weights are the policy's own

 private:
  void generate_wave(std::vector<Group>& groups, std::size_t first, std::size_t last, const SamplingParams& params);

  const CausalLm& model_;
  const Tokenizer& tokenizer_;
  std::int64_t max_rows_;
};

}  // namespace grpo
