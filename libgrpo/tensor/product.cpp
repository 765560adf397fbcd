#include "libgrpo/tensor/product.hpp"

#include "libgrpo/tensor/precompiled.hpp"

#include <ATen/core/dispatch/Dispatcher.h>
#include <string_view>

namespace grpo {
namespace {

using Linear = at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&, std::string_view,
                          c10::List<std::optional<at::Scalar>>, std::optional<std::string_view>);

/// oneDNN's linear layer; nothing where this libtorch was built without it.
std::optional<c10::TypedOperatorHandle<Linear>> find_onednn() {
  const auto schema = c10::Dispatcher::singleton().findSchema({"mkldnn::_linear_pointwise", ""});
  if (!schema || !schema->hasKernelForDispatchKey(c10::DispatchKey::CPU) || !at::globalContext().userEnabledMkldnn()) return std::nullopt;
  return schema->typed<Linear>();
}

}  // namespace

at::Tensor product(const at::Tensor& x, const at::Tensor& weight, const std::optional<at::Tensor>& bias) {
  static const auto onednn = find_onednn();
  const bool fits = x.device().is_cpu() && x.scalar_type() == at::kFloat && weight.scalar_type() == at::kFloat && x.numel() > 0;
  if (!onednn || !fits) return at::linear(x, weight, bias);
  const at::NoGradGuard no_grad;
  return onednn->call(x, weight, bias, "none", c10::List<std::optional<at::Scalar>>(), "");
}

}  // namespace grpo
