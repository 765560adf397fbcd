// Someone who writes a trainer: links grpo::grpo, and gets torch's headers and libraries with it.
#include "libgrpo/tensor/kl.hpp"

#include <ATen/ops/full.h>
#include <cmath>
#include <cstdio>

int main() {
  const at::Tensor log_probs = at::full({3}, -1.0);
  const double kl = grpo::kl_k3(log_probs, at::full({3}, -2.0)).max().item().toDouble();  // e^-1 + 1 - 1
  std::printf("trainer_author: k3 = %.6f\n", kl);
  return std::abs(kl - std::exp(-1.0)) < 1e-6 ? 0 : 1;
}
