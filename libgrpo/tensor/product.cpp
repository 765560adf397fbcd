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

constexpr std::int64_t kRowsOfThread = 128;  // with fewer, b is read too often for what is done with it
constexpr double kLarge = 1 << 24;           // multiplications; oneDNN takes its time to begin

}  // namespace

at::Tensor product(const at::Tensor& x, const at::Tensor& weight, const std::optional<at::Tensor>& bias) {
  static const auto onednn = find_onednn();
  const bool large = static_cast<double>(x.numel()) * static_cast<double>(weight.size(0)) >= kLarge;
  const bool fits = large && x.device().is_cpu() && x.scalar_type() == at::kFloat && weight.scalar_type() == at::kFloat;
  if (!onednn || !fits) return at::linear(x, weight, bias);
  const at::NoGradGuard no_grad;
  return onednn->call(x, weight, bias, "none", c10::List<std::optional<at::Scalar>>(), "");
}

void multiply(const at::Tensor& out, const at::Tensor& a, const at::Tensor& b, double beta) {
  const auto rows_of = [&](std::int64_t begin, std::int64_t end) {
    const at::NoGradGuard no_grad;
    auto to = out.narrow(0, begin, end - begin);
    const auto from = a.narrow(0, begin, end - begin);
    if (beta == 0.0)
      at::mm_out(to, from, b);
    else
      to.addmm_(from, b, beta, 1.0);
  };
  const std::int64_t rows = a.size(0), threads = at::get_num_threads();
  if (!out.device().is_cpu() || threads == 1 || at::in_parallel_region() || rows < threads * kRowsOfThread) return rows_of(0, rows);
  at::parallel_for(0, threads, 1, [&](std::int64_t first, std::int64_t last) { rows_of(rows * first / threads, rows * last / threads); });
}

}  // namespace grpo
