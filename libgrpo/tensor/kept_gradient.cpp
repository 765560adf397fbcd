#include "libgrpo/tensor/kept_gradient.hpp"

#include "libgrpo/tensor/precompiled.hpp"

namespace grpo {

at::Tensor kept_gradient(const at::Tensor& leaf) {
  if (!leaf.is_leaf() || !leaf.requires_grad() || leaf.scalar_type() != at::kFloat) return {};
  auto& grad = leaf.mutable_grad();
  if (!grad.defined()) grad = at::zeros_like(leaf.detach());
  return grad;
}

}  // namespace grpo
