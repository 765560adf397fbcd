#include "libgrpo/tensor/kl.hpp"

#include "libgrpo/tensor/precompiled.hpp"

namespace grpo {

at::Tensor kl_k3(const at::Tensor& log_probs, const at::Tensor& ref_log_probs) {
  const auto difference = ref_log_probs - log_probs;
  return difference.clamp_max(20.0).exp() - difference - 1.0;
}

}  // namespace grpo
