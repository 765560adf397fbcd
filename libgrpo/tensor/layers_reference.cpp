#include "libgrpo/tensor/layers_reference.hpp"

#include "libgrpo/tensor/precompiled.hpp"

namespace grpo {

at::Tensor rms_norm_reference(const at::Tensor& x, const at::Tensor& weight, double eps) {
  const auto wide = x.scalar_type() == at::kDouble ? x : x.to(at::kFloat);
  return (wide * at::rsqrt(wide.square().mean(-1, true) + eps) * weight).to(x.scalar_type());
}

at::Tensor swiglu_reference(const at::Tensor& x) {
  const auto halves = x.chunk(2, -1);
  return at::silu(halves[0]) * halves[1];
}

at::Tensor geglu_tanh_reference(const at::Tensor& x) {
  const auto halves = x.chunk(2, -1);
  return at::gelu(halves[0], "tanh") * halves[1];
}

at::Tensor rotary_reference(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin) {
  const std::int64_t turning = 2 * cos.size(1);
  const auto halves = x.narrow(2, 0, turning).chunk(2, -1);
  const auto c = cos.unsqueeze(1).to(x.scalar_type()), s = sin.unsqueeze(1).to(x.scalar_type());
  return at::cat({halves[0] * c - halves[1] * s, halves[1] * c + halves[0] * s, x.narrow(2, turning, x.size(2) - turning)}, -1);
}

}  // namespace grpo
