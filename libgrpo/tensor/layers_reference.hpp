/// The readable versions of layers.hpp: same shapes, any device and dtype.
#pragma once

#include <ATen/core/Tensor.h>

namespace grpo {

at::Tensor rms_norm_reference(const at::Tensor& x, const at::Tensor& weight, double eps);
at::Tensor swiglu_reference(const at::Tensor& x);
at::Tensor geglu_tanh_reference(const at::Tensor& x);
at::Tensor rotary_reference(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin);

}  // namespace grpo
