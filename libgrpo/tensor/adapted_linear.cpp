#include "libgrpo/tensor/adapted_linear.hpp"

#include "libgrpo/base/random.hpp"
#include "libgrpo/tensor/kept_function.hpp"
#include "libgrpo/tensor/kept_gradient.hpp"
#include "libgrpo/tensor/product.hpp"

#include <optional>

namespace grpo {
namespace {

using std::int64_t;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// What autograd passes through untouched.
struct Layout {
  std::vector<int64_t> first_rows;
  std::vector<double> scales;
  Dropout dropout;
  const Derived* derived;  // null: x is kept
};

Dropout of_adapter(const Dropout& dropout, int64_t index) {
  return {dropout.rate, derive_seed(dropout.key, static_cast<std::uint64_t>(index))};
}

/// Inputs: x, weight, bias, then a and b of every adapter. Saved for the backward pass: the same (or x's source in its place) and the
/// products h = drop(x) a^T.
class AdaptedLinear : public torch::autograd::Function<AdaptedLinear> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& weight, const std::optional<at::Tensor>& bias,
                            at::TensorList matrices, const Layout& layout) {
    const auto full = weight.to(at::kFloat);
    auto y = product(x, full, bias ? std::optional(bias->to(at::kFloat)) : std::nullopt);
    const bool reads_x = weight.requires_grad() || !layout.scales.empty();
    const bool again = reads_x && layout.derived != nullptr;
    variable_list saved{again ? layout.derived->source.detach() : reads_x ? x : at::empty({0}, x.options()), weight};
    if (again) ctx->saved_data["make"] = KeptFunction::keep(layout.derived->make);
    for (std::size_t i = 0; i < layout.scales.size(); ++i) {
      const at::Tensor &a = matrices[2 * i], &b = matrices[2 * i + 1];
      const auto h = at::mm(drop(x, of_adapter(layout.dropout, static_cast<int64_t>(i))), a.t());
      y.narrow(1, layout.first_rows[i], b.size(0)).addmm_(h, b.t(), 1.0, layout.scales[i]);
      saved.insert(saved.end(), {a, b, h});
    }
    ctx->save_for_backward(saved);
    ctx->saved_data["biased"] = bias.has_value();
    ctx->saved_data["first_rows"] = layout.first_rows;
    ctx->saved_data["scales"] = layout.scales;
    ctx->saved_data["rate"] = layout.dropout.rate;
    ctx->saved_data["key"] = static_cast<int64_t>(layout.dropout.key);
    return y;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor& weight = saved[1];
    const at::Tensor x = ctx->saved_data.count("make") > 0 ? KeptFunction::call(ctx->saved_data["make"], saved[0]) : saved[0];
    const auto g = grads[0].contiguous();
    const auto first_rows = ctx->saved_data["first_rows"].toIntVector();
    const auto scales = ctx->saved_data["scales"].toDoubleVector();
    const Dropout dropout{ctx->saved_data["rate"].toDouble(), static_cast<std::uint64_t>(ctx->saved_data["key"].toInt())};
    variable_list out(3 + 2 * scales.size() + 1);
    const bool wants_x = ctx->needs_input_grad(0);
    if (wants_x) {
      out[0] = at::empty({g.size(0), weight.size(1)}, g.options());
      multiply(out[0], g, weight.to(at::kFloat), 0.0);
    }
    if (const auto kept = ctx->needs_input_grad(1) ? kept_gradient(weight) : at::Tensor(); kept.defined()) {
      multiply(kept, g.t(), x, 1.0);
    } else if (ctx->needs_input_grad(1)) {
      out[1] = at::empty(weight.sizes(), g.options());
      multiply(out[1], g.t(), x, 0.0);
      out[1] = out[1].to(weight.scalar_type());
    }
    if (ctx->saved_data["biased"].toBool() && ctx->needs_input_grad(2)) out[2] = g.sum(0).to(weight.scalar_type());
    for (std::size_t i = 0; i < scales.size(); ++i) {
      const at::Tensor &a = saved[2 + 3 * i], &b = saved[3 + 3 * i], &h = saved[4 + 3 * i];
      const auto g_rows = g.narrow(1, first_rows[i], b.size(0));
      const auto g_h = at::mm(g_rows, b).mul_(scales[i]);
      const Dropout own = of_adapter(dropout, static_cast<int64_t>(i));
      out[3 + 2 * i] = at::mm(g_h.t(), drop(x, own));
      out[4 + 2 * i] = at::mm(g_rows.t(), h).mul_(scales[i]);
      if (wants_x) out[0].add_(drop(at::mm(g_h, a), own));  // the mask is its own transpose
    }
    return out;
  }
};

/// Off the CPU: in the type of x, adapters in float32.
at::Tensor plain_linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, const std::vector<LowRank>& adapters,
                        const Dropout& dropout) {
  const auto type = x.scalar_type();
  auto y = at::linear(x, weight.to(type), bias.defined() ? std::optional(bias.to(type)) : std::nullopt);
  for (std::size_t i = 0; i < adapters.size(); ++i) {
    const LowRank& adapter = adapters[i];
    const auto h = at::linear(drop(x.to(at::kFloat), of_adapter(dropout, static_cast<int64_t>(i))), adapter.a);
    y.narrow(1, adapter.first_row, adapter.b.size(0)).add_(at::linear(h, adapter.b).to(type), adapter.scale);
  }
  return y;
}

at::Tensor linear_of(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, const std::vector<LowRank>& adapters,
                     const Dropout& dropout, const Derived* derived) {
  if (!x.device().is_cpu()) return plain_linear(x, weight, bias, adapters, dropout);
  const auto optional_bias = bias.defined() ? std::optional(bias) : std::nullopt;
  Layout layout{{}, {}, dropout, derived};
  std::vector<at::Tensor> matrices;
  for (const LowRank& adapter : adapters) {
    matrices.insert(matrices.end(), {adapter.a, adapter.b});
    layout.first_rows.push_back(adapter.first_row);
    layout.scales.push_back(adapter.scale);
  }
  return AdaptedLinear::apply(x, weight, optional_bias, at::TensorList(matrices), layout);
}

}  // namespace

at::Tensor adapted_linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, const std::vector<LowRank>& adapters,
                          const Dropout& dropout) {
  return linear_of(x, weight, bias, adapters, dropout, nullptr);
}

at::Tensor adapted_linear(const Derived& x, const at::Tensor& weight, const at::Tensor& bias, const std::vector<LowRank>& adapters,
                          const Dropout& dropout) {
  return linear_of(x.make(x.source), weight, bias, adapters, dropout, &x);
}

at::Tensor adapted_linear_reference(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                                    const std::vector<LowRank>& adapters, const Dropout& dropout) {
  auto y = at::matmul(x, weight.to(at::kFloat).t());
  if (bias.defined()) y = y + bias.to(at::kFloat);
  for (std::size_t i = 0; i < adapters.size(); ++i) {
    const LowRank& adapter = adapters[i];
    const auto mask = drop(at::ones_like(x), of_adapter(dropout, static_cast<int64_t>(i)));
    const auto delta = adapter.scale * at::matmul(at::matmul(x * mask, adapter.a.t()), adapter.b.t());
    const int64_t behind = y.size(1) - adapter.first_row - delta.size(1);
    y = y + at::constant_pad_nd(delta, {adapter.first_row, behind}, 0);
  }
  return y;
}

}  // namespace grpo
