/// The weights of a forward pass, asked for as they are needed: they need not all be in memory, nor in the form they are computed in.
///
/// What CausalLm::read_from() takes. FileWeights (file_weights.hpp) reads them from their file; sharded weights would be gathered.
#pragma once

#include "libgrpo/policy/weights.hpp"

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace grpo {

/// What lies around the layers. A head that is tied to the embedding is the same tensor.
struct OuterWeights {
  at::Tensor embed, norm, head;
};

/// Shapes are those of Weights; types may be any that adapted_linear() takes. thread: one caller at a time
class WeightSource {
 public:
  virtual ~WeightSource() = default;

  /// Asked for once at the beginning of a pass, which holds them to its end (with gradients: to the end of its backward pass).
  virtual OuterWeights outer() = 0;

  /// The weights of one layer, valid until the next call. A forward pass asks for layers 0, 1, ...; a backward pass computes each
  /// layer again (recompute.hpp), so it asks for ..., 1, 0, and the gradient of a layer is complete when the next is asked for.
  virtual LayerWeights layer(std::int64_t index) = 0;
};

}  // namespace grpo
