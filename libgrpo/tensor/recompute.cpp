#include "libgrpo/tensor/recompute.hpp"

#include "libgrpo/tensor/kept_function.hpp"

namespace grpo {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;
using Map = KeptFunction::Map;

class Recomputed : public torch::autograd::Function<Recomputed> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, Map f) {
    ctx->save_for_backward({x});
    auto y = f(x);
    ctx->saved_data["f"] = KeptFunction::keep(std::move(f));
    return y;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto x = ctx->get_saved_variables()[0].detach().requires_grad_(true);
    at::Tensor y;
    {
      const at::AutoGradMode with_grad(true);
      y = KeptFunction::call(ctx->saved_data["f"], x);
    }
    torch::autograd::backward({y}, {grads[0]});
    return {x.grad(), at::Tensor()};
  }
};

}  // namespace

at::Tensor recomputed(const at::Tensor& x, Map f) {
  if (!at::GradMode::is_enabled()) return f(x);
  // Without a gradient to x nothing would tell autograd that f reads leaves.
  return Recomputed::apply(x.requires_grad() ? x : x.detach().requires_grad_(true), std::move(f));
}

}  // namespace grpo
