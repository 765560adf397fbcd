/// Samples with weights that are divided among the ranks: the whole model is gathered for the length of a call.
///
/// A token needs every weight, so gathering layer by layer would send the whole model for each of them.
#pragma once

#include "libgrpo/sampler/in_process_sampler.hpp"
#include "libgrpo/trainer/sharded_weights.hpp"

#include <vector>

namespace grpo {

class GatheredSampler final : public Sampler {
 public:
  /// Both must outlive it.
  GatheredSampler(ShardedWeights& weights, const Tokenizer& tokenizer) : weights_(weights), tokenizer_(tokenizer) {}

  /// All ranks call it together, also those without prompts. cost: the memory of all weights, meanwhile
  [[nodiscard]] std::vector<Group> generate(const std::vector<Prompt>& prompts, const SamplingParams& params) override {
    const auto model = weights_.whole();
    return InProcessSampler(*model, tokenizer_).generate(prompts, params);
  }
  /// As InProcessSampler.
  [[nodiscard]] bool exact_log_probs() const override {
    const FlatBucket& bucket = weights_.layout().front();
    return bucket.device.is_cpu() || bucket.type == at::kFloat;
  }
  void refresh(const Policy& /*policy*/, std::int64_t /*version*/) override {}

 private:
  ShardedWeights& weights_;
  const Tokenizer& tokenizer_;
};

}  // namespace grpo
