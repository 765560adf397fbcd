/// Matrix products for decoding: one row of the batch per SIMD lane, weights read where they lie.
///
///     y[n][r] = sum_k w[n][k] x[k][r] + bias[n]        x and y are [features][rows], rows a multiple of kLanes
///
/// A weight is loaded once, broadcast, and multiplied with 16 to 64 rows at a time, so weights need no packed copy: training and
/// sampling share one. Each row adds its products in the order of k, in its own lane; so its result depends neither on the rows
/// beside it nor on their number nor on the number of threads, to the last bit. Few rows are bound by reading the weights once,
/// 32 and more by arithmetic. Variants for AVX-512 and AVX2 are chosen at run time and agree to the last bit; the portable one
/// rounds products before it adds them.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace grpo {

inline constexpr std::int64_t kLanes = 16;
inline constexpr std::int64_t kPanel = 24;  ///< outputs that one thread computes together

enum class Isa { portable, avx2, avx512 };
/// The widest that this machine has.
Isa best_isa();

/// A weight matrix where it lies. bf16 and f16 are widened panel by panel.
struct LaneMatrix {
  at::Tensor weight;  ///< [out, in] f32, bf16 or f16, rows contiguous

  [[nodiscard]] std::int64_t out() const { return weight.size(0); }
  [[nodiscard]] std::int64_t in() const { return weight.size(1); }
  [[nodiscard]] std::int64_t panels() const { return (out() + kPanel - 1) / kPanel; }
};

/// What becomes of a product.
struct LaneOutput {
  float* y;                     ///< [out][rows]
  const float* bias = nullptr;  ///< [out]
  bool add = false;             ///< y += scale * product instead of y = product + bias
  float scale = 1.0F;
  /// > 0: y is [row_count][row_stride] instead, a row of the batch being a row there, and y = scale * product.
  std::int64_t row_stride = 0, row_count = 0;
};

/// Panels [first, last) of the product. `x` and [out][rows] `y` are aligned to 64 bytes; `scratch` holds
/// lane_scratch_floats(in, rows) floats of this thread, likewise aligned.
/// thread: different panels at once   cost: 2 rows in out FLOPs
void lane_linear(const LaneOutput& output, const float* x, std::int64_t rows, const LaneMatrix& matrix, std::int64_t first,
                 std::int64_t last, float* scratch, Isa isa);
std::int64_t lane_scratch_floats(std::int64_t in, std::int64_t rows);

/// One row of a matrix as float32. shape: to [in]
void widen_row(float* to, const at::Tensor& matrix, std::int64_t row);

/// The readable version of the same function, of the whole product.
void lane_linear_reference(const LaneOutput& output, const float* x, std::int64_t rows, const LaneMatrix& matrix);

}  // namespace grpo
