/// The element-wise pieces of a decoder layer on [features][rows] activations: one row of the batch per SIMD lane.
///
/// Arithmetic as in tensor/layers.hpp; every row is computed in its own lane, in a fixed order. `lanes` is the first of the 16
/// rows that a call is about, `rows` the floats from one feature to the next.
#pragma once

#include <cstdint>

namespace grpo {

/// y = x / sqrt(mean over n features of x^2 + eps) * weight. y may be x. shape: weight [n]
void lane_norm(float* y, const float* x, const float* weight, std::int64_t n, float eps, std::int64_t rows, std::int64_t lanes);

/// x += scale * y over n features
void lane_add(float* x, const float* y, float scale, std::int64_t n, std::int64_t rows, std::int64_t lanes);

/// Turns the first 2 * half features of each of `heads` heads, in place. shape: cos and sin [half][rows]
void lane_rotate(float* x, const float* cos, const float* sin, std::int64_t heads, std::int64_t half, std::int64_t width, std::int64_t rows,
                 std::int64_t lanes);

/// y = act(gate) * up, over n consecutive floats.
void lane_swiglu(float* y, const float* gate, const float* up, std::int64_t n);
void lane_geglu_tanh(float* y, const float* gate, const float* up, std::int64_t n);

/// z <- softcap tanh(z / softcap), over n consecutive floats.
void lane_softcap(float* z, std::int64_t n, float softcap);

}  // namespace grpo
