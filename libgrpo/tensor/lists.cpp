#include "libgrpo/tensor/lists.hpp"

#include "libgrpo/tensor/precompiled.hpp"

namespace grpo {

at::Tensor to_tensor(const std::vector<float>& list) { return list.empty() ? at::Tensor() : at::tensor(list, at::kFloat); }

std::vector<float> to_list(const at::Tensor& tensor) {
  if (!tensor.defined()) return {};
  return {tensor.const_data_ptr<float>(), tensor.const_data_ptr<float>() + tensor.numel()};
}

}  // namespace grpo
