#include "libgrpo/tensor/layers.hpp"

#include "libgrpo/base/check.hpp"
#include "libgrpo/tensor/layers_reference.hpp"
#include "libgrpo/tensor/precompiled.hpp"
#include "libgrpo/tensor/simd.hpp"

namespace grpo {
namespace {

using std::int64_t;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

bool has_kernel(const at::Tensor& x) { return x.device().is_cpu() && x.scalar_type() == at::kFloat; }

/// Runs f(first row, last row) on all threads; small inputs stay on one.
template <class F>
void for_rows(int64_t rows, int64_t width, const F& f) {
  at::parallel_for(0, rows, std::max<int64_t>(1, 16384 / std::max<int64_t>(width, 1)), f);
}

GRPO_SIMD_CLONES float rms_norm_row(float* y, const float* x, const float* w, int64_t n, float eps) {
  const float inverse = 1.0F / std::sqrt(simd::dot(x, x, n) / static_cast<float>(n) + eps);
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) y[i] = x[i] * inverse * w[i];
  return inverse;
}

/// dx = r (w dy - x r^2 mean(w dy x)); dw += dy x r
GRPO_SIMD_CLONES void rms_norm_row_backward(float* dx, float* dw, const float* dy, const float* x, const float* w, int64_t n, float r) {
  float sum = 0.0F;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; ++i) sum += dy[i] * w[i] * x[i];
  const float back = sum * r * r / static_cast<float>(n);
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    dx[i] = r * (dy[i] * w[i] - x[i] * back);
    dw[i] += dy[i] * x[i] * r;
  }
}

GRPO_SIMD_CLONES void swiglu_row(float* y, const float* x, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) y[i] = x[i] / (1.0F + simd::exp(-x[i])) * x[n + i];
}

GRPO_SIMD_CLONES void swiglu_row_backward(float* dx, const float* dy, const float* x, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const float sigmoid = 1.0F / (1.0F + simd::exp(-x[i]));
    const float silu = x[i] * sigmoid;
    dx[i] = dy[i] * x[n + i] * (sigmoid + silu * (1.0F - sigmoid));
    dx[n + i] = dy[i] * silu;
  }
}

constexpr float kGeluScale = 0.79788456F, kGeluCubic = 0.044715F;  // sqrt(2 / pi)

GRPO_SIMD_CLONES void geglu_row(float* y, const float* x, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const float t = simd::tanh(kGeluScale * (x[i] + kGeluCubic * x[i] * x[i] * x[i]));
    y[i] = 0.5F * x[i] * (1.0F + t) * x[n + i];
  }
}

GRPO_SIMD_CLONES void geglu_row_backward(float* dx, const float* dy, const float* x, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const float t = simd::tanh(kGeluScale * (x[i] + kGeluCubic * x[i] * x[i] * x[i]));
    const float slope = kGeluScale * (1.0F + 3.0F * kGeluCubic * x[i] * x[i]) * (1.0F - t * t);
    dx[i] = dy[i] * x[n + i] * 0.5F * (1.0F + t + x[i] * slope);
    dx[n + i] = dy[i] * 0.5F * x[i] * (1.0F + t);
  }
}

/// Turns the first 2 * half entries of each head, copies the others.
/// sign = 1 turns forward, -1 back: the gradient of a rotation is the inverse rotation.
GRPO_SIMD_CLONES void rotate_row(float* y, const float* x, const float* cos, const float* sin, int64_t heads, int64_t half, int64_t width,
                                 float sign) {
  for (int64_t h = 0; h < heads; ++h, x += width, y += width) {
#pragma omp simd
    for (int64_t i = 0; i < half; ++i) {
      const float s = sign * sin[i];
      const float a = x[i], b = x[half + i];
      y[i] = a * cos[i] - b * s;
      y[half + i] = b * cos[i] + a * s;
    }
    std::copy(x + 2 * half, x + width, y + 2 * half);
  }
}

at::Tensor rotate(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin, float sign) {
  auto y = at::empty(x.sizes(), x.options());
  const int64_t heads = x.size(1), half = cos.size(1), width = x.size(2), stride = x.stride(0);
  const float *from = x.const_data_ptr<float>(), *c = cos.const_data_ptr<float>(), *s = sin.const_data_ptr<float>();
  auto* to = y.mutable_data_ptr<float>();
  for_rows(x.size(0), heads * width, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      rotate_row(to + i * heads * width, from + i * stride, c + i * half, s + i * half, heads, half, width, sign);
  });
  return y;
}

class RmsNorm : public torch::autograd::Function<RmsNorm> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& weight, double eps) {
    const int64_t rows = x.size(0), n = x.size(1);
    auto y = at::empty_like(x);
    auto inverse = at::empty({rows}, x.options());
    const float *from = x.const_data_ptr<float>(), *w = weight.const_data_ptr<float>();
    auto *to = y.mutable_data_ptr<float>(), *r = inverse.mutable_data_ptr<float>();
    for_rows(rows, n, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) r[i] = rms_norm_row(to + i * n, from + i * n, w, n, static_cast<float>(eps));
    });
    ctx->save_for_backward({x, weight, inverse});
    return y;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const auto dy = grads[0].contiguous();
    const int64_t rows = dy.size(0), n = dy.size(1);
    auto dx = at::empty_like(dy);
    auto dw = at::zeros({at::get_num_threads(), n}, dy.options());
    const float *g = dy.const_data_ptr<float>(), *x = saved[0].const_data_ptr<float>(), *w = saved[1].const_data_ptr<float>(),
                *r = saved[2].const_data_ptr<float>();
    auto *to = dx.mutable_data_ptr<float>(), *sums = dw.mutable_data_ptr<float>();
    for_rows(rows, n, [&](int64_t begin, int64_t end) {
      float* own = sums + at::get_thread_num() * n;
      for (int64_t i = begin; i < end; ++i) rms_norm_row_backward(to + i * n, own, g + i * n, x + i * n, w, n, r[i]);
    });
    return {dx, dw.sum(0), at::Tensor()};
  }
};

enum class Gate { silu, gelu_tanh };

template <Gate gate>
class GatedUnit : public torch::autograd::Function<GatedUnit<gate>> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x) {
    const int64_t rows = x.size(0), n = x.size(1) / 2;
    auto y = at::empty({rows, n}, x.options());
    const float* from = x.const_data_ptr<float>();
    auto* to = y.mutable_data_ptr<float>();
    for_rows(rows, n, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) (gate == Gate::silu ? swiglu_row : geglu_row)(to + i * n, from + i * 2 * n, n);
    });
    ctx->save_for_backward({x});
    return y;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto x = ctx->get_saved_variables()[0];
    const auto dy = grads[0].contiguous();
    const int64_t rows = dy.size(0), n = dy.size(1);
    auto dx = at::empty_like(x);
    const float *g = dy.const_data_ptr<float>(), *from = x.const_data_ptr<float>();
    auto* to = dx.mutable_data_ptr<float>();
    for_rows(rows, n, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        (gate == Gate::silu ? swiglu_row_backward : geglu_row_backward)(to + i * 2 * n, g + i * n, from + i * 2 * n, n);
    });
    return {dx};
  }
};

class Rotary : public torch::autograd::Function<Rotary> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin) {
    ctx->save_for_backward({cos, sin});
    return rotate(x, cos, sin, 1.0F);
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    return {rotate(grads[0].contiguous(), saved[0], saved[1], -1.0F), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps) {
  GRPO_CHECK_EQ(x.size(-1), weight.numel(), "one weight per column");
  if (!has_kernel(x) || x.dim() != 2) return rms_norm_reference(x, weight, eps);
  return RmsNorm::apply(x.contiguous(), weight, eps);
}

at::Tensor swiglu(const at::Tensor& x) {
  GRPO_CHECK_EQ(x.size(-1) % 2, 0, "gate and up have one width");
  if (!has_kernel(x) || x.dim() != 2) return swiglu_reference(x);
  return GatedUnit<Gate::silu>::apply(x.contiguous());
}

at::Tensor geglu_tanh(const at::Tensor& x) {
  GRPO_CHECK_EQ(x.size(-1) % 2, 0, "gate and up have one width");
  if (!has_kernel(x) || x.dim() != 2) return geglu_tanh_reference(x);
  return GatedUnit<Gate::gelu_tanh>::apply(x.contiguous());
}

at::Tensor rotary(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin) {
  GRPO_CHECK_EQ(x.size(0), cos.size(0), "one angle row per token");
  GRPO_CHECK(2 * cos.size(1) <= x.size(2), "at most half as many angles as the head is wide");
  const bool rows_apart = x.stride(2) == 1 && x.stride(1) == x.size(2);  // heads side by side: a slice of fused q/k/v is fine
  if (!has_kernel(x)) return rotary_reference(x, cos, sin);
  return Rotary::apply(rows_apart ? x : x.contiguous(), cos.contiguous(), sin.contiguous());
}

}  // namespace grpo
