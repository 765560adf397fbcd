#include "libgrpo/objective/cispo.hpp"

#include "libgrpo/tensor/precompiled.hpp"

namespace grpo {

at::Tensor cispo_term(const at::Tensor& ratio, const at::Tensor& log_probs, const at::Tensor& advantages, double cap) {
  return -ratio.detach().clamp_max(cap) * advantages * log_probs;
}

}  // namespace grpo
