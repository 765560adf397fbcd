/// Helpers shared by tests on tensors.
#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <vector>

namespace grpo::testing {

inline double max_abs_difference(const at::Tensor& a, const at::Tensor& b) {
  return a.numel() == 0 ? 0.0 : (a.detach().to(at::kDouble) - b.detach().to(at::kDouble)).abs().max().item<double>();
}

/// Gradients of sum(f(inputs) * fixed weights) wrt each input; a random weight per output element, so no direction is missed.
inline std::vector<at::Tensor> gradients(const std::function<at::Tensor(const std::vector<at::Tensor>&)>& f,
                                         const std::vector<at::Tensor>& inputs, const at::Tensor& weights) {
  std::vector<at::Tensor> leaves;
  for (const auto& x : inputs) leaves.push_back(x.detach().clone().requires_grad_(true));
  (f(leaves) * weights).sum().backward();
  std::vector<at::Tensor> grads;
  for (const auto& x : leaves) grads.push_back(x.grad());
  return grads;
}

}  // namespace grpo::testing
