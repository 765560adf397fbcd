/// The element-wise pieces of a transformer layer, fused on the CPU; on other devices plain tensor operations.
///
/// Each function here has its readable twin in layers_reference.hpp and is tested equal to it, values and gradients.
#pragma once

#include <ATen/core/Tensor.h>

namespace grpo {

/// y = x / sqrt(mean(x^2) + eps) * weight, statistics in fp32 (Zhang & Sennrich 2019, equation 4).
/// shape: x [L,D], weight [D] -> [L,D] of the type of x   grad: to x and weight
at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps);

/// silu(gate) * up for x = [gate | up] (Shazeer 2020, "GLU variants", SwiGLU without its matrices).
/// shape: x [L,2M] -> [L,M]   grad: to x
at::Tensor swiglu(const at::Tensor& x);

/// gelu(gate) * up for x = [gate | up], gelu in its tanh form: u/2 (1 + tanh(sqrt(2/pi) (u + 0.044715 u^3)))
/// (Shazeer 2020, GEGLU; Hendrycks & Gimpel 2016, section 2).
/// shape: x [L,2M] -> [L,M]   grad: to x
at::Tensor geglu_tanh(const at::Tensor& x);

/// Rotary position embedding on the two halves of each head, Hugging Face layout (Su et al. 2021, section 3.4.2):
/// (a, b) -> (a cos - b sin, b cos + a sin). With fewer angles only the first 2R entries of a head turn, the rest pass.
/// shape: x [L,H,D], cos and sin [L,R] f32, 2R <= D -> [L,H,D]   grad: to x
at::Tensor rotary(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin);

}  // namespace grpo
