#include "libgrpo/tensor/kl.hpp"

#include "libgrpo/tensor/precompiled.hpp"

namespace grpo {

at::Tensor kl_k1(const at::Tensor& log_probs, const at::Tensor& ref_log_probs) { return log_probs - ref_log_probs; }

at::Tensor kl_k2(const at::Tensor& log_probs, const at::Tensor& ref_log_probs) { return (ref_log_probs - log_probs).square() / 2.0; }

at::Tensor kl_k3(const at::Tensor& log_probs, const at::Tensor& ref_log_probs) {
  constexpr double kLinearFrom = 20.0;
  const auto difference = ref_log_probs - log_probs;
  const auto tail = (difference - kLinearFrom).clamp_min(0.0);
  return difference.clamp_max(kLinearFrom).exp() * (1.0 + tail) - difference - 1.0;
}

}  // namespace grpo
