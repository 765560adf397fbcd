#include "libgrpo/objective/vespo.hpp"

#include "libgrpo/tensor/completion_sums.hpp"
#include "libgrpo/tensor/precompiled.hpp"

#include <cmath>

namespace grpo {

at::Tensor vespo_weight(const at::Tensor& log_ratio, const at::Tensor& correction, const at::Tensor& advantages,
                        const at::Tensor& completion, std::int64_t completions, const VespoShape& shape) {
  const at::NoGradGuard no_grad;
  constexpr double kCap = 20.0;
  const double floor = std::log(1e-8);
  auto per_token = log_ratio.detach().clamp(-kCap, kCap);
  if (correction.defined()) per_token = per_token + correction.log().clamp(floor, kCap);
  const auto x = completion_sums(per_token, completion, completions).clamp(floor, kCap).index_select(0, completion);
  const auto pick = [&](double good, double bad) { return at::where(advantages.ge(0), at::full_like(x, good), at::full_like(x, bad)); };
  const auto k = pick(shape.k_pos, shape.k_neg), lambda = pick(shape.lambda_pos, shape.lambda_neg);
  const auto phi = (lambda + k * x - lambda * x.exp()).exp();
  return at::where(phi.isfinite(), phi, at::zeros_like(phi));
}

at::Tensor vespo_term(const at::Tensor& weight, const at::Tensor& log_probs, const at::Tensor& advantages) {
  return -weight.detach() * advantages * log_probs;
}

}  // namespace grpo
