/// Log-probability and entropy of given next tokens, straight from hidden states: no [T,V] tensor stays alive.
///
///     z = cap(hidden W^T) / temperature,   log_prob_t = z_t[target_t] - logsumexp(z_t),   entropy_t = -sum_v p_tv log p_tv
///
/// cap(x) = softcap tanh(x / softcap) where the model has a softcap (Gemma 2), else x.
/// The logits are made tile by tile and made again in the backward pass, so memory grows with neither T x V nor V
/// (the idea of fused linear cross-entropy: Hsu et al. 2024, "Liger Kernel", section 3.2, with entropy added).
#pragma once

#include <ATen/core/Tensor.h>

namespace grpo {

struct TokenScores {
  at::Tensor log_probs;  ///< [T] f32, nats
  at::Tensor entropies;  ///< [T] f32, nats
};

/// shape: hidden [T,D], weight [V,D], targets [T] i64 in [0,V); floating, one device; weight may be bf16 or f16
/// grad: log_probs and entropies -> hidden, weight
/// softcap: > 0 bounds the logits; 0: none   throws: Error{contract} on shapes or temperature <= 0
/// cost: 2TVD FLOPs forward, 6TVD backward; beside the inputs one tile of logits (8 MB), off the CPU some rows of them (token_scores_by_rows.hpp)
TokenScores token_scores(const at::Tensor& hidden, const at::Tensor& weight, const at::Tensor& targets, double temperature,
                         double softcap = 0.0);

/// The same where the values are known beforehand, because the sampler drew the targets by the same weights: only the gradient is
/// computed, and the pass over the vocabulary that would give the values is saved. The backward pass sees whether they are right.
/// shape: as above, known [T] f32, without gradient
/// throws: also Error{contract} in the backward pass, if the probabilities of some row do not sum to 1 within 0.01
/// cost: 4TD FLOPs forward, 6TVD backward; off the CPU, or if hidden is not f32, as above, and the values are computed
TokenScores token_scores(const at::Tensor& hidden, const at::Tensor& weight, const at::Tensor& targets, double temperature, double softcap,
                         const TokenScores& known);

/// The readable version of the same function. cost: several [T,V] tensors
TokenScores token_scores_reference(const at::Tensor& hidden, const at::Tensor& weight, const at::Tensor& targets, double temperature,
                                   double softcap = 0.0);

}  // namespace grpo
