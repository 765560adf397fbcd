/// Draws one token from a row of logits, and says how likely it was.
///
/// Order of the filters as in transformers: temperature, top-k, top-p, min-p. The log-prob and the entropy are those of
/// softmax(logits / temperature) before the filters, which is what the trainer scores.
#pragma once

#include "libgrpo/sampler/sampler.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace grpo {

struct SelectedToken {
  std::int32_t id = 0;
  float log_prob = 0.0F;  ///< nats
  float entropy = 0.0F;   ///< nats
};

/// shape: logits [V]. `forbidden` tokens, each named once, cannot be drawn (end tokens before the minimum length).
/// `uniform` in [0, 1) decides. throws: Error{numeric} if a logit is NaN or all are -inf
/// thread: pure; different rows at once. cost: two passes over V; a third with top-k, top-p or min-p, and a sort of what they leave
SelectedToken select_token(std::span<const float> logits, const SamplingParams& params, double uniform,
                           std::span<const std::int32_t> forbidden);

}  // namespace grpo
