#include "libgrpo/tensor/lane_linear.hpp"

#include "libgrpo/base/check.hpp"
#include "libgrpo/tensor/precompiled.hpp"
#include "libgrpo/tensor/simd.hpp"

#if defined(__x86_64__) && defined(__GNUC__)
#define GRPO_LANES_X86 1
#else
#define GRPO_LANES_X86 0
#endif

namespace grpo {
namespace {

using std::int64_t;

template <int width>
struct Vector {
  typedef float type __attribute__((vector_size(width * sizeof(float)), aligned(width * sizeof(float))));
};

/// A panel's weights as float32: `stride` floats from one output's weights to the next.
struct Weights {
  const float* data;
  int64_t stride, in;
  const char* next;  // the panel behind, to be fetched meanwhile
};

/// `count` vectors of rows times `columns` outputs, held in registers. The loop fetches as many bytes ahead as it reads.
template <int width, int count, int columns>
GRPO_INLINE void block(const LaneOutput& out, int64_t column, const float* x, int64_t rows, const Weights& w, int64_t at) {
  using V = typename Vector<width>::type;
  constexpr int64_t kStep = columns * sizeof(float), kLine = 64;
  V sum[columns][count] = {};
  const float* weight = w.data + at * w.stride;
  const char* next = w.next + at * w.in * static_cast<int64_t>(sizeof(float));
  for (int64_t k = 0; k < w.in; ++k) {
    V in[count];
    for (int m = 0; m < count; ++m) in[m] = *reinterpret_cast<const V*>(x + k * rows + width * m);
    __builtin_prefetch(next + k * kStep, 0, 2);
    if constexpr (kStep > kLine) __builtin_prefetch(next + k * kStep + kStep / 2, 0, 2);
#pragma GCC unroll 24
    for (int c = 0; c < columns; ++c)
#pragma GCC unroll 4
      for (int m = 0; m < count; ++m) sum[c][m] += in[m] * weight[c * w.stride + k];
  }
  for (int c = 0; c < columns; ++c) {
    float* y = out.y + (column + at + c) * rows;
    for (int m = 0; m < count; ++m) {
      V* to = reinterpret_cast<V*>(y + width * m);
      if (out.add) {
        *to += sum[c][m] * out.scale;
      } else {
        *to = out.bias != nullptr ? sum[c][m] + out.bias[column + at + c] : sum[c][m];
      }
    }
  }
}

/// All outputs of a panel for `count` vectors of rows.
template <int width, int count, int columns>
GRPO_INLINE void strip(const LaneOutput& out, int64_t column, int64_t columns_here, const float* x, int64_t rows, const Weights& w) {
  int64_t at = 0;
  for (; at + columns <= columns_here; at += columns) block<width, count, columns>(out, column, x, rows, w, at);
  for (; at < columns_here; ++at) block<width, count, 1>(out, column, x, rows, w, at);
}

LaneOutput shifted(LaneOutput out, int64_t lanes) {
  out.y += lanes;
  return out;
}

/// 16 rows at a time; with `columns` outputs they fill the registers of the narrower instruction sets.
template <int width, int columns>
GRPO_INLINE void panel_narrow(const LaneOutput& out, int64_t column, int64_t n, const float* x, int64_t rows, const Weights& w) {
  constexpr int count = static_cast<int>(kLanes) / width;
  for (int64_t r = 0; r < rows; r += kLanes) strip<width, count, columns>(shifted(out, r), column, n, x + r, rows, w);
}

void panel_portable(const LaneOutput& out, int64_t column, int64_t n, const float* x, int64_t rows, const Weights& w) {
  panel_narrow<4, 2>(out, column, n, x, rows, w);
}

#if GRPO_LANES_X86
__attribute__((target("arch=x86-64-v3"))) void panel_avx2(const LaneOutput& out, int64_t column, int64_t n, const float* x, int64_t rows,
                                                          const Weights& w) {
  panel_narrow<8, 6>(out, column, n, x, rows, w);
}

__attribute__((target("arch=x86-64-v4"))) void panel_avx512(const LaneOutput& out, int64_t column, int64_t n, const float* x, int64_t rows,
                                                            const Weights& w) {
  int64_t r = 0;
  for (; r + 64 <= rows; r += 64) strip<16, 4, 6>(shifted(out, r), column, n, x + r, rows, w);
  if (rows - r == 48) strip<16, 3, 8>(shifted(out, r), column, n, x + r, rows, w);
  if (rows - r == 32) strip<16, 2, 12>(shifted(out, r), column, n, x + r, rows, w);
  if (rows - r == 16) strip<16, 1, 24>(shifted(out, r), column, n, x + r, rows, w);
}
#endif

using PanelFunction = void (*)(const LaneOutput&, int64_t, int64_t, const float*, int64_t, const Weights&);

PanelFunction panel_function(Isa isa) {
#if GRPO_LANES_X86
  if (isa == Isa::avx512) return panel_avx512;
  if (isa == Isa::avx2) return panel_avx2;
#endif
  return panel_portable;
}

/// bf16 is the upper half of a float.
GRPO_SIMD_CLONES void widen_bfloat16(float* to, const std::uint16_t* from, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) to[i] = std::bit_cast<float>(static_cast<std::uint32_t>(from[i]) << 16U);
}

/// Rows of one cache line more than they hold, so that the same entry of several rows never falls into one cache set.
int64_t scratch_stride(int64_t in) { return (in + kLanes - 1) / kLanes * kLanes + kLanes; }

/// From [columns][rows] to the columns of the batch's rows.
void turn_panel(const LaneOutput& out, int64_t column, int64_t columns, const float* panel, int64_t rows) {
  for (int64_t r = 0; r < out.row_count; ++r) {
    float* to = out.y + r * out.row_stride + column;
    for (int64_t c = 0; c < columns; ++c) to[c] = out.scale * panel[c * rows + r];
  }
}

/// Strides of many KB put all rows of a panel into a few sets of the first cache.
bool collides(int64_t stride) { return stride % 1024 == 0; }

}  // namespace

Isa best_isa() {
#if GRPO_LANES_X86
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512cd"))
    return Isa::avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2")) return Isa::avx2;
#endif
  return Isa::portable;
}

int64_t lane_scratch_floats(int64_t in, int64_t rows) { return kPanel * (scratch_stride(in) + rows); }

void widen_row(float* to, const at::Tensor& matrix, int64_t row) {
  const int64_t from = row * matrix.stride(0), in = matrix.size(1);
  if (matrix.scalar_type() == at::kBFloat16) {
    widen_bfloat16(to, reinterpret_cast<const std::uint16_t*>(matrix.const_data_ptr<at::BFloat16>()) + from, in);
  } else if (matrix.scalar_type() == at::kHalf) {
    const auto* half = matrix.const_data_ptr<at::Half>() + from;
    for (int64_t i = 0; i < in; ++i) to[i] = static_cast<float>(half[i]);
  } else {
    std::copy_n(matrix.const_data_ptr<float>() + from, in, to);
  }
}

void lane_linear(const LaneOutput& output, const float* x, int64_t rows, const LaneMatrix& matrix, int64_t first, int64_t last,
                 float* scratch, Isa isa) {
  const int64_t in = matrix.in(), stride = matrix.weight.stride(0);
  const bool copies = matrix.weight.scalar_type() != at::kFloat || collides(stride);
  const PanelFunction panel = panel_function(isa);
  for (int64_t p = first; p < last; ++p) {
    const int64_t column = p * kPanel, columns = std::min(kPanel, matrix.out() - column);
    const char* here = static_cast<const char*>(matrix.weight.const_data_ptr()) + column * stride * matrix.weight.element_size();
    Weights weights{reinterpret_cast<const float*>(here), stride, in, here};
    if (p + 1 < last) weights.next = here + kPanel * stride * matrix.weight.element_size();
    if (copies) {
      weights.stride = scratch_stride(in);
      weights.data = scratch;
      for (int64_t c = 0; c < columns; ++c) widen_row(scratch + c * weights.stride, matrix.weight, column + c);
    }
    if (output.row_stride == 0) {
      panel(output, column, columns, x, rows, weights);
      continue;
    }
    float* turned = scratch + kPanel * scratch_stride(in);
    panel({turned}, 0, columns, x, rows, weights);
    turn_panel(output, column, columns, turned, rows);
  }
}

void lane_linear_reference(const LaneOutput& output, const float* x, int64_t rows, const LaneMatrix& matrix) {
  const auto full = matrix.weight.to(at::kDouble);
  for (int64_t n = 0; n < matrix.out(); ++n)
    for (int64_t r = 0; r < rows; ++r) {
      double sum = 0.0;
      for (int64_t k = 0; k < matrix.in(); ++k)
        sum += full.const_data_ptr<double>()[n * matrix.in() + k] * static_cast<double>(x[k * rows + r]);
      if (output.row_stride > 0) {
        if (r < output.row_count) output.y[r * output.row_stride + n] = static_cast<float>(static_cast<double>(output.scale) * sum);
        continue;
      }
      float& y = output.y[n * rows + r];
      y = static_cast<float>(output.add ? static_cast<double>(y) + static_cast<double>(output.scale) * sum
                                        : sum + (output.bias != nullptr ? static_cast<double>(output.bias[n]) : 0.0));
    }
}

}  // namespace grpo
