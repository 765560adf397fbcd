/// token_scores() by plain tensor operations, some rows at a time: for devices that have no kernel of ours.
///
/// The backward pass makes the logits again, so what lives is a few tensors of `rows_at_once` x V whatever T is.
#pragma once

#include "libgrpo/tensor/token_scores.hpp"

#include <cstdint>

namespace grpo {

/// As token_scores(), of hidden states of any float type; logits are widened to float32 as they come out of the product.
TokenScores token_scores_by_rows(const at::Tensor& hidden, const at::Tensor& weight, const at::Tensor& targets, double temperature,
                                 double softcap, std::int64_t rows_at_once);

/// So many that one of these tensors takes 128 MB.
std::int64_t rows_at_once(std::int64_t vocabulary);

}  // namespace grpo
