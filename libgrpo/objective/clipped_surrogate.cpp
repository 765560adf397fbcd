#include "libgrpo/objective/clipped_surrogate.hpp"

#include "libgrpo/tensor/precompiled.hpp"

namespace grpo {

at::Tensor clipped_surrogate(const at::Tensor& ratio, const at::Tensor& advantages, const ClipRange& range) {
  const auto unclipped = range.delta ? ratio.clamp_max(*range.delta) : ratio;
  return -at::minimum(unclipped * advantages, ratio.clamp(1.0 - range.low, 1.0 + range.high) * advantages);
}

}  // namespace grpo
