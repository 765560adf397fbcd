#include "libgrpo/tensor/embedding.hpp"

#include "libgrpo/tensor/kept_gradient.hpp"
#include "libgrpo/tensor/precompiled.hpp"

namespace grpo {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

class Embedding : public torch::autograd::Function<Embedding> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& weight, const at::Tensor& ids) {
    ctx->save_for_backward({weight, ids});
    const auto rows = weight.index_select(0, ids);
    return weight.device().is_cpu() ? rows.to(at::kFloat) : rows;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor &weight = saved[0], &ids = saved[1];
    if (const auto kept = kept_gradient(weight); kept.defined()) {
      kept.index_add_(0, ids, grads[0]);
      return {at::Tensor(), at::Tensor()};
    }
    const auto whole = at::zeros(weight.sizes(), grads[0].options().dtype(at::kFloat));  // many small sums, in float32 whatever the weight
    return {whole.index_add_(0, ids, grads[0].to(at::kFloat)).to(weight.scalar_type()), at::Tensor()};
  }
};

}  // namespace

at::Tensor embedding(const at::Tensor& weight, const at::Tensor& ids) { return Embedding::apply(weight, ids); }

}  // namespace grpo
