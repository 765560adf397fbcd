#include "libgrpo/tensor/token_scores.hpp"

#include "libgrpo/base/check.hpp"
#include "libgrpo/tensor/kept_gradient.hpp"
#include "libgrpo/tensor/precompiled.hpp"
#include "libgrpo/tensor/product.hpp"
#include "libgrpo/tensor/simd.hpp"
#include "libgrpo/tensor/token_scores_by_rows.hpp"

namespace grpo {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// One tile of logits is alive at a time, 8 MB whatever the vocabulary: few enough to stay in the processor's cache.
constexpr std::int64_t kTileRows = 1024, kTileColumns = 2048;

/// The logits of one row seen so far: their largest, and sums of e^(z - top) and of e^(z - top) (z - top).
struct RowSums {
  float top = 0.0F;
  double sum = 0.0, weighted = 0.0;
};

GRPO_SIMD_CLONES simd::ExpSums block_sums(const float* z, std::int64_t n, float scale, float top) {
  return simd::exp_sums<false>(z, n, scale, top);
}

GRPO_SIMD_CLONES float maximum(const float* z, std::int64_t n) { return simd::max(z, n); }

/// Takes in a row's next logits. Blocks are summed in double: a vocabulary is too long for one float sum.
void add_logits(RowSums& row, const float* z, std::int64_t n, float scale) {
  constexpr std::int64_t kBlock = 1024;
  const float highest = maximum(z, n) * scale;
  const float top = row.sum == 0.0 ? highest : std::max(row.top, highest);
  const auto shift = static_cast<double>(row.top) - static_cast<double>(top);
  const double shrink = row.sum == 0.0 ? 0.0 : std::exp(shift);
  row = {top, row.sum * shrink, shrink == 0.0 ? 0.0 : shrink * (row.weighted + row.sum * shift)};
  for (std::int64_t first = 0; first < n; first += kBlock) {
    const simd::ExpSums block = block_sums(z + first, std::min(kBlock, n - first), scale, top);
    row.sum += static_cast<double>(block.e);
    row.weighted += static_cast<double>(block.weighted);
  }
}

/// z <- softcap tanh(z / softcap)
GRPO_SIMD_CLONES void cap_row(float* z, std::int64_t n, float softcap) {
  const float inverse = 1.0F / softcap;
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i) z[i] = softcap * simd::tanh(z[i] * inverse);
}

/// g <- g * (1 - tanh^2): from capped logits to the product below them. `capped` holds the capped logits.
GRPO_SIMD_CLONES void uncap_gradient_row(float* g, const float* capped, std::int64_t n, float softcap) {
  const float inverse = 1.0F / softcap;
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i) {
    const float t = capped[i] * inverse;
    g[i] *= 1.0F - t * t;
  }
}

/// z <- gradient of the loss wrt the logits: scale * p * (-g_log_prob - g_entropy * (log p + entropy)); the target's +1 is added by the caller.
/// returns: the sum of p
GRPO_SIMD_CLONES float logit_gradient_row(float* z, std::int64_t n, float scale, float lse, float entropy, float g_log_prob,
                                          float g_entropy) {
  float sum = 0.0F;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < n; ++i) {
    const float log_p = z[i] * scale - lse;
    const float p = simd::exp(log_p);
    sum += p;
    z[i] = scale * p * (-g_log_prob - g_entropy * (log_p + entropy));
  }
  return sum;
}

/// How far the probabilities of a row may be from a sum of 1. Float sums are within 1e-4; those of other weights are not.
constexpr float kSumTolerance = 0.01F;

/// The logits of the targets alone, over the temperature. shape: -> [T] f32
at::Tensor target_logits(const at::Tensor& hidden, const at::Tensor& weight, const at::Tensor& targets, double temperature,
                         double softcap) {
  const auto z = (hidden * weight.index_select(0, targets).to(at::kFloat)).sum(1);
  return (softcap > 0.0 ? softcap * at::tanh(z / softcap) : z) / temperature;
}

class FusedTokenScores : public torch::autograd::Function<FusedTokenScores> {
 public:
  static variable_list forward(AutogradContext* ctx, const at::Tensor& hidden, const at::Tensor& weight, const at::Tensor& targets,
                               double temperature, double softcap, const TokenScores& known) {
    at::Tensor log_probs, entropies, lse;
    if (known.log_probs.defined()) {  // copies: what a function returns must be its own
      std::tie(log_probs, entropies) = std::pair(known.log_probs.clone(), known.entropies.clone());
      lse = target_logits(hidden, weight, targets, temperature, softcap) - log_probs;
    } else {
      std::tie(log_probs, entropies, lse) = measure(hidden, weight, targets, temperature, softcap);
    }
    ctx->save_for_backward({hidden, weight, targets, lse, entropies});
    ctx->saved_data["temperature"] = temperature;
    ctx->saved_data["softcap"] = softcap;
    return {log_probs, entropies};
  }

  /// Log-probs, entropies and log-sum-exps.
  static std::tuple<at::Tensor, at::Tensor, at::Tensor> measure(const at::Tensor& hidden, const at::Tensor& weight,
                                                                const at::Tensor& targets, double temperature, double softcap) {
    const std::int64_t rows = hidden.size(0), vocabulary = weight.size(0);
    const auto full = weight.to(at::kFloat);
    const auto scale = static_cast<float>(1.0 / temperature);
    auto log_probs = at::empty({rows}, hidden.options());
    auto entropies = at::empty({rows}, hidden.options());
    auto lse = at::empty({rows}, hidden.options());
    for (std::int64_t first = 0; first < rows; first += kTileRows) {
      const std::int64_t count = std::min(kTileRows, rows - first);
      std::vector<RowSums> sums(static_cast<std::size_t>(count));
      const auto* target = targets.const_data_ptr<std::int64_t>() + first;
      float* lp = log_probs.mutable_data_ptr<float>() + first;
      for (std::int64_t column = 0; column < vocabulary; column += kTileColumns) {
        const std::int64_t width = std::min(kTileColumns, vocabulary - column);
        const auto tile = product(hidden.narrow(0, first, count), full.narrow(0, column, width));
        auto* z = tile.mutable_data_ptr<float>();
        at::parallel_for(0, count, 1, [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t i = begin; i < end; ++i) {
            float* row = z + i * width;
            if (softcap > 0.0) cap_row(row, width, static_cast<float>(softcap));
            add_logits(sums[static_cast<std::size_t>(i)], row, width, scale);
            if (const std::int64_t t = target[i] - column; t >= 0 && t < width) lp[i] = row[t] * scale;
          }
        });
      }
      finish(sums, lp, lse.mutable_data_ptr<float>() + first, entropies.mutable_data_ptr<float>() + first);
    }
    return {log_probs, entropies, lse};
  }

  /// log_probs hold the targets' logits before, their log-probs after.
  static void finish(const std::vector<RowSums>& sums, float* log_probs, float* lse, float* entropies) {
    for (std::size_t i = 0; i < sums.size(); ++i) {
      const double log_sum = std::log(sums[i].sum);
      lse[i] = static_cast<float>(static_cast<double>(sums[i].top) + log_sum);
      entropies[i] = static_cast<float>(log_sum - sums[i].weighted / sums[i].sum);
      log_probs[i] -= lse[i];
    }
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor &hidden = saved[0], &weight = saved[1], &targets = saved[2], &lse = saved[3], &entropies = saved[4];
    const auto scale = static_cast<float>(1.0 / ctx->saved_data["temperature"].toDouble());
    const auto softcap = static_cast<float>(ctx->saved_data["softcap"].toDouble());
    const std::int64_t rows = hidden.size(0), vocabulary = weight.size(0);
    const auto zero = [&] { return at::zeros({rows}, hidden.options()); };
    const auto g_log_prob = grads[0].defined() ? grads[0].contiguous() : zero();
    const auto g_entropy = grads[1].defined() ? grads[1].contiguous() : zero();
    auto d_hidden = at::empty_like(hidden);
    const auto full = weight.to(at::kFloat);
    const bool wants_weight = ctx->needs_input_grad(1);
    const auto kept = wants_weight ? kept_gradient(weight) : at::Tensor();
    auto d_weight = wants_weight && !kept.defined() ? at::zeros_like(full) : kept;
    for (std::int64_t first = 0; first < rows; first += kTileRows) {
      const std::int64_t count = std::min(kTileRows, rows - first);
      const auto inputs = hidden.narrow(0, first, count), d_inputs = d_hidden.narrow(0, first, count);
      const auto* target = targets.const_data_ptr<std::int64_t>() + first;
      const float* g_lp = g_log_prob.const_data_ptr<float>() + first;
      const float* g_ent = g_entropy.const_data_ptr<float>() + first;
      const float* row_lse = lse.const_data_ptr<float>() + first;
      const float* ent = entropies.const_data_ptr<float>() + first;
      std::vector<float> sums(static_cast<std::size_t>(count));
      for (std::int64_t column = 0; column < vocabulary; column += kTileColumns) {
        const std::int64_t width = std::min(kTileColumns, vocabulary - column);
        const auto head = full.narrow(0, column, width);
        const auto tile = product(inputs, head);
        auto* z = tile.mutable_data_ptr<float>();
        at::parallel_for(0, count, 1, [&](std::int64_t begin, std::int64_t end) {
          std::vector<float> capped(softcap > 0.0F ? static_cast<std::size_t>(width) : 0);
          for (std::int64_t i = begin; i < end; ++i) {
            float* row = z + i * width;
            if (softcap > 0.0F) {
              cap_row(row, width, softcap);
              std::copy_n(row, width, capped.data());
            }
            sums[static_cast<std::size_t>(i)] += logit_gradient_row(row, width, scale, row_lse[i], ent[i], g_lp[i], g_ent[i]);
            if (const std::int64_t t = target[i] - column; t >= 0 && t < width) row[t] += scale * g_lp[i];
            if (softcap > 0.0F) uncap_gradient_row(row, capped.data(), width, softcap);
          }
        });
        multiply(d_inputs, tile, head, column == 0 ? 0.0 : 1.0);
        if (d_weight.defined()) multiply(d_weight.narrow(0, column, width), tile.t(), inputs, 1.0);
      }
      for (const float sum : sums)  // not so if hidden is not finite, which the step finds out by itself
        GRPO_CHECK(!std::isfinite(sum) || std::abs(sum - 1.0F) < kSumTolerance, "the log-probs that were given are those of other weights");
    }
    d_weight = d_weight.defined() && !kept.defined() ? d_weight.to(weight.scalar_type()) : at::Tensor();
    return {d_hidden, d_weight, at::Tensor(), at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

TokenScores token_scores_reference(const at::Tensor& hidden, const at::Tensor& weight, const at::Tensor& targets, double temperature,
                                   double softcap) {
  auto logits = at::linear(hidden, weight.to(hidden.scalar_type()));
  if (softcap > 0.0) logits = softcap * at::tanh(logits / softcap);
  logits = logits / temperature;
  const auto log_p = at::log_softmax(logits.scalar_type() == at::kDouble ? logits : logits.to(at::kFloat), -1);
  return {log_p.gather(1, targets.unsqueeze(1)).squeeze(1), -(log_p.exp() * log_p).sum(-1)};
}

TokenScores token_scores(const at::Tensor& hidden, const at::Tensor& weight, const at::Tensor& targets, double temperature,
                         double softcap) {
  return token_scores(hidden, weight, targets, temperature, softcap, {});
}

TokenScores token_scores(const at::Tensor& hidden, const at::Tensor& weight, const at::Tensor& targets, double temperature, double softcap,
                         const TokenScores& known) {
  GRPO_CHECK(hidden.dim() == 2 && weight.dim() == 2, "hidden is [T,D], weight [V,D]");
  GRPO_CHECK_EQ(hidden.size(1), weight.size(1), "hidden and weight share the width");
  GRPO_CHECK_EQ(targets.numel(), hidden.size(0), "one target per hidden state");
  GRPO_CHECK(temperature > 0.0, "log-probs need a temperature above 0");
  if (!hidden.device().is_cpu() && hidden.size(0) > 0)
    return token_scores_by_rows(hidden, weight, targets, temperature, softcap, rows_at_once(weight.size(0)));
  if (hidden.scalar_type() != at::kFloat || hidden.size(0) == 0)
    return token_scores_reference(hidden, weight, targets, temperature, softcap);
  if (known.log_probs.defined()) GRPO_CHECK_EQ(known.log_probs.numel(), hidden.size(0), "one known log-prob per hidden state");
  auto out = FusedTokenScores::apply(hidden.contiguous(), weight, targets.contiguous(), temperature, softcap, known);
  return {out[0], out[1]};
}

}  // namespace grpo
