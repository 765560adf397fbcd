/// Dropout that can be repeated: an entry is kept with probability 1 - rate and divided by it (Srivastava et al. 2014, section 4),
/// and which ones are kept follows from a key and the entry's place alone.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace grpo {

/// The same key drops the same entries.
struct Dropout {
  double rate = 0.0;  ///< [0, 1)
  std::uint64_t key = 0;
};

/// x with entries dropped. Its own transpose: the gradient of drop(x) is drop of the gradient.
/// shape: as x, f32   grad: none on the CPU, to x elsewhere   cost: about as much as reading x from memory; elsewhere some 120 passes
/// over a tensor of twice the bytes of x, which a GPU does faster than a CPU could send it the mask
at::Tensor drop(const at::Tensor& x, const Dropout& dropout);

}  // namespace grpo
