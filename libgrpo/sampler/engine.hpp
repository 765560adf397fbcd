/// The model side of sampling: prompts go in once, then one token per row and step; keys and values are kept.
///
/// Prompts are prefilled as a forest, so what all of them share is computed once, and each prompt once for all its rows.
/// A row attends to its prompt's cached keys and to its own; nothing is padded and nothing is copied when rows finish.
#pragma once

#include "libgrpo/policy/causal_lm.hpp"
#include "libgrpo/rollout/batch.hpp"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace grpo {

/// thread: one caller at a time. The model must not change between prefill() and the last decode().
class Engine {
 public:
  explicit Engine(const CausalLm& model) : model_(model) {}

  /// Forgets earlier rows, computes the prompts, and opens `rows_per_prompt` rows for each.
  /// Rows of prompt i are i * rows_per_prompt ... Returns the logits that follow each prompt. shape: [B,V] f32
  at::Tensor prefill(const std::vector<std::vector<std::int32_t>>& prompts, std::int64_t rows_per_prompt);

  /// Appends tokens[i] to rows[i] (each row at most once) and returns the logits that follow. shape: [R,V] f32
  at::Tensor decode(const std::vector<std::int64_t>& rows, const std::vector<std::int32_t>& tokens);

 private:
  class Prefill;
  class Decode;
  struct LayerCache {
    at::Tensor prompt_k, prompt_v;  // [P, Hkv, D], packed as the prompts are
    at::Tensor own_k, own_v;        // [rows, capacity, Hkv, D]
  };
  void grow(std::int64_t capacity);

  const CausalLm& model_;
  PackedPrompts prompts_;
  std::vector<std::vector<Segment>> prompt_paths_;  // [B]
  std::int64_t rows_per_prompt_ = 1;
  std::vector<std::int64_t> lengths_;  // [rows], own tokens so far
  std::int64_t capacity_ = 0;
  std::vector<LayerCache> layers_;
};

}  // namespace grpo
