/// Between std::vector<float> and tensors; an empty list and an undefined tensor stand for each other.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace grpo {

/// shape: [n] f32 on the CPU, copied; undefined if the list is empty
at::Tensor to_tensor(const std::vector<float>& list);

/// Of a contiguous f32 tensor on the CPU; empty if it is undefined.
std::vector<float> to_list(const at::Tensor& tensor);

}  // namespace grpo
