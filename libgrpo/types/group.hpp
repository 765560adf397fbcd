/// The nouns that come out: completions of one prompt, sampled together.
#pragma once

#include "libgrpo/types/prompt.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace grpo {

enum class FinishReason { stop, length };  ///< an end token was sampled | the token limit was reached

constexpr std::string_view to_string(FinishReason reason) { return reason == FinishReason::stop ? "stop" : "length"; }

/// One sampled answer. ids include the end token when finish is stop.
struct Completion {
  std::vector<std::int32_t> ids;
  std::vector<float> log_probs;  ///< nats; of each id under softmax(logits / temperature), before top-k/top-p/min-p
  std::vector<float> entropies;  ///< nats; of the same distributions
  std::string text;              ///< ids decoded, special tokens left out
  FinishReason finish = FinishReason::length;
  std::int64_t weight_version = -1;  ///< updates behind the weights that drew its first token; -1: the policy's own, not counted
};

/// G completions of one prompt.
struct Group {
  Prompt prompt;
  std::vector<Completion> completions;
};

}  // namespace grpo
