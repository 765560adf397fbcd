#include "libgrpo/tensor/token_scores_by_rows.hpp"

#include "libgrpo/tensor/kept_gradient.hpp"
#include "libgrpo/tensor/precompiled.hpp"

#include <algorithm>

namespace grpo {
namespace {

using std::int64_t;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// The logits of some rows, capped, over the temperature. shape: [rows, V], float32 or wider
at::Tensor scaled_logits(const at::Tensor& hidden, const at::Tensor& weight, double temperature, double softcap) {
  auto z = at::linear(hidden, weight);
  if (z.scalar_type() != at::kDouble) z = z.to(at::kFloat);
  if (softcap > 0.0) z = z.div_(softcap).tanh_().mul_(softcap);
  return z.div_(temperature);
}

class ScoresByRows : public torch::autograd::Function<ScoresByRows> {
 public:
  static variable_list forward(AutogradContext* ctx, const at::Tensor& hidden, const at::Tensor& weight, const at::Tensor& targets,
                               double temperature, double softcap, int64_t at_once) {
    const auto narrow = weight.to(hidden.scalar_type());
    std::vector<at::Tensor> log_probs, entropies, sums;
    for (int64_t first = 0; first < hidden.size(0); first += at_once) {
      const int64_t count = std::min(at_once, hidden.size(0) - first);
      const auto z = scaled_logits(hidden.narrow(0, first, count), narrow, temperature, softcap);
      sums.push_back(at::logsumexp(z, {-1}));
      const auto log_p = z - sums.back().unsqueeze(1);
      entropies.push_back(-(log_p.exp() * log_p).sum(-1));
      log_probs.push_back(log_p.gather(1, targets.narrow(0, first, count).unsqueeze(1)).squeeze(1));
    }
    variable_list out{at::cat(log_probs), at::cat(entropies)};
    ctx->save_for_backward({hidden, weight, targets, at::cat(sums), out[1].detach()});
    ctx->saved_data["temperature"] = temperature;
    ctx->saved_data["softcap"] = softcap;
    ctx->saved_data["at_once"] = at_once;
    return out;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor &hidden = saved[0], &weight = saved[1], &targets = saved[2], &sums = saved[3], &entropies = saved[4];
    const double temperature = ctx->saved_data["temperature"].toDouble(), softcap = ctx->saved_data["softcap"].toDouble();
    const int64_t at_once = ctx->saved_data["at_once"].toInt();
    const auto narrow = weight.to(hidden.scalar_type());
    const auto g_log_prob = grads[0].defined() ? grads[0] : at::zeros_like(sums);
    const auto g_entropy = grads[1].defined() ? grads[1] : at::zeros_like(sums);
    const bool wants_weight = ctx->needs_input_grad(1);
    const auto kept = wants_weight ? kept_gradient(weight) : at::Tensor();
    auto d_weight = wants_weight && !kept.defined() ? at::zeros(weight.sizes(), sums.options()) : kept;
    auto d_hidden = at::empty_like(hidden);
    for (int64_t first = 0; first < hidden.size(0); first += at_once) {
      const int64_t count = std::min(at_once, hidden.size(0) - first);
      const auto of = [&](const at::Tensor& all) { return all.narrow(0, first, count); };
      const auto z = scaled_logits(of(hidden), narrow, temperature, softcap);
      const auto log_p = z - of(sums).unsqueeze(1);
      const auto g_lp = of(g_log_prob).unsqueeze(1), g_ent = of(g_entropy).unsqueeze(1), ent = of(entropies).unsqueeze(1);
      auto dz = log_p.exp().mul_(g_lp + g_ent * (log_p + ent)).neg_();
      dz.scatter_add_(1, of(targets).unsqueeze(1), g_lp);
      dz.div_(temperature);
      if (softcap > 0.0) dz.mul_(1.0 - (z * (temperature / softcap)).square());  // z times the temperature are the capped logits
      const auto d_logits = dz.to(hidden.scalar_type());
      of(d_hidden).copy_(at::mm(d_logits, narrow));
      if (d_weight.defined()) d_weight.add_(at::mm(d_logits.t(), of(hidden)));
    }
    d_weight = d_weight.defined() && !kept.defined() ? d_weight.to(weight.scalar_type()) : at::Tensor();
    return {d_hidden, d_weight, at::Tensor(), at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

int64_t rows_at_once(int64_t vocabulary) { return std::max<int64_t>(1, (int64_t{1} << 25) / vocabulary); }

TokenScores token_scores_by_rows(const at::Tensor& hidden, const at::Tensor& weight, const at::Tensor& targets, double temperature,
                                 double softcap, int64_t rows_at_once) {
  const auto out = ScoresByRows::apply(hidden, weight, targets, temperature, softcap, rows_at_once);
  return {out[0], out[1]};
}

}  // namespace grpo
