#pragma once

/// What all routes that generate have in common: fields of a body -> SamplingParams and prompts, checked against the model.

#include "libgrpo/serve/body.inl"
#include "libgrpo/serve/job.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace grpo::serve {

/// n, temperature, top_p, top_k, min_p, min_tokens, stop, seed and logit_bias. Without a seed, one that was never used.
/// throws: ApiError 400
void read_sampling(Body& body, const ModelConfig& config, GenerationRequest& request);

/// A prompt, or several: a text, texts, token ids, or lists of these. throws: ApiError 400
std::vector<Prompt> read_prompts(Body& body, const std::string& name, const Tokenizer& tokenizer);

/// prompt_id, which keys the draws: of the first prompt, the others count on from there; or one for each. Default 0.
/// throws: ApiError 400
void read_prompt_ids(Body& body, std::vector<Prompt>& prompts);

/// Sets the longest completion: `wanted`, or `otherwise`, or (-1) all that the context leaves.
/// throws: ApiError 400 unless all prompts are of the model's tokens and leave room
void fit_lengths(Body& body, const std::string& prompt_field, const std::string& length_field, std::int64_t otherwise,
                 const ModelConfig& config, GenerationRequest& request);

}  // namespace grpo::serve
