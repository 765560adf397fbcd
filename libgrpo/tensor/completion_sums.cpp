#include "libgrpo/tensor/completion_sums.hpp"

#include "libgrpo/base/check.hpp"
#include "libgrpo/tensor/precompiled.hpp"

namespace grpo {

at::Tensor completion_sums(const at::Tensor& values, const at::Tensor& completion, std::int64_t completions) {
  GRPO_CHECK_EQ(values.numel(), completion.numel(), "one completion per token");
  return at::zeros({completions}, values.options()).index_add(0, completion, values);
}

at::Tensor completion_means(const at::Tensor& values, const at::Tensor& completion, std::int64_t completions) {
  const auto lengths = completion_sums(at::ones_like(values.detach()), completion, completions);
  return (completion_sums(values, completion, completions) / lengths.clamp_min(1.0)).index_select(0, completion);
}

}  // namespace grpo
