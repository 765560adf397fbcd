#include "libgrpo/objective/sapo.hpp"

#include "libgrpo/tensor/precompiled.hpp"

namespace grpo {

at::Tensor sapo_term(const at::Tensor& ratio, const at::Tensor& advantages, double temperature_pos, double temperature_neg) {
  const auto tau = at::where(advantages.gt(0), at::full_like(advantages, temperature_pos), at::full_like(advantages, temperature_neg));
  return -(4.0 / tau) * at::sigmoid(tau * (ratio - 1.0)) * advantages;
}

}  // namespace grpo
