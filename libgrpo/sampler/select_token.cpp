#include "libgrpo/sampler/select_token.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/tensor/simd.hpp"

#include <algorithm>
#include <cmath>

namespace grpo {
namespace {

constexpr std::int64_t kBlock = 1024;  // block sums keep the cumulative sum exact enough and the search short

struct Weighted {
  float weight;
  std::int32_t id;
};

GRPO_SIMD_CLONES simd::ExpSums exponentiate(float* z, std::int64_t n, float scale, float top) {
  return simd::exp_sums<true>(z, n, scale, top);
}

GRPO_SIMD_CLONES float maximum(const float* z, std::int64_t n) { return simd::max(z, n); }

std::int32_t draw(std::span<const float> weights, const std::vector<double>& block_sums, double uniform) {
  double total = 0.0;
  for (const double s : block_sums) total += s;
  double left = uniform * total;
  std::size_t block = 0;
  while (block + 1 < block_sums.size() && left >= block_sums[block]) left -= block_sums[block++];
  std::int32_t last_possible = -1;
  for (std::size_t i = block * kBlock; i < weights.size(); ++i) {
    if (weights[i] <= 0.0F) continue;
    last_possible = static_cast<std::int32_t>(i);
    left -= static_cast<double>(weights[i]);
    if (left < 0.0) return last_possible;
  }
  if (last_possible >= 0) return last_possible;  // rounding at the very end
  return static_cast<std::int32_t>(std::max_element(weights.begin(), weights.end()) - weights.begin());
}

/// Tokens that survive top-k, top-p and min-p, in id order.
std::vector<Weighted> survivors(std::span<const float> weights, double total, const SamplingParams& p) {
  // Tokens below (1 - top_p) / V of the mass sum to less than 1 - top_p, so the nucleus lies above that.
  double floor = 0.0;
  if (p.top_k == 0 && p.top_p < 1.0) floor = (1.0 - p.top_p) * total / static_cast<double>(weights.size());
  std::vector<Weighted> kept;
  for (std::size_t i = 0; i < weights.size(); ++i)
    if (weights[i] > 0.0F && weights[i] >= floor) kept.push_back({weights[i], static_cast<std::int32_t>(i)});
  const auto likelier = [](const Weighted& a, const Weighted& b) {
    return a.weight != b.weight ? a.weight > b.weight : a.id < b.id;
  };
  if (p.top_k > 0 && static_cast<std::int64_t>(kept.size()) > p.top_k) {
    std::nth_element(kept.begin(), kept.begin() + p.top_k, kept.end(), likelier);
    kept.resize(static_cast<std::size_t>(p.top_k));
    total = 0.0;
    for (const Weighted& w : kept) total += static_cast<double>(w.weight);
  }
  if (p.top_p < 1.0) {
    std::sort(kept.begin(), kept.end(), likelier);
    double mass = 0.0;
    std::size_t count = 0;
    while (count < kept.size() && mass < p.top_p * total) mass += static_cast<double>(kept[count++].weight);
    kept.resize(std::max<std::size_t>(count, 1));
  }
  if (p.min_p > 0.0 && !kept.empty()) {
    float top = 0.0F;
    for (const Weighted& w : kept) top = std::max(top, w.weight);
    const auto cut = static_cast<float>(p.min_p) * top;
    std::erase_if(kept, [&](const Weighted& w) { return w.weight < cut; });
  }
  std::sort(kept.begin(), kept.end(), [](const Weighted& a, const Weighted& b) { return a.id < b.id; });
  return kept;
}

std::int32_t draw_filtered(std::span<const float> weights, double total, const SamplingParams& params, double uniform) {
  const auto kept = survivors(weights, total, params);
  double mass = 0.0;
  for (const Weighted& w : kept) mass += static_cast<double>(w.weight);
  double left = uniform * mass;
  for (const Weighted& w : kept) {
    left -= static_cast<double>(w.weight);
    if (left < 0.0) return w.id;
  }
  return kept.back().id;
}

}  // namespace

SelectedToken select_token(std::span<float> logits, const SamplingParams& params, double uniform,
                           std::span<const std::int32_t> forbidden) {
  const auto n = static_cast<std::int64_t>(logits.size());
  const bool greedy = params.temperature <= 0.0;
  const float scale = greedy ? 1.0F : static_cast<float>(1.0 / params.temperature);
  const float top = maximum(logits.data(), n) * scale;
  std::vector<double> block_sums;
  double total = 0.0, weighted = 0.0;
  for (std::int64_t first = 0; first < n; first += kBlock) {
    const simd::ExpSums sums = exponentiate(logits.data() + first, std::min(kBlock, n - first), scale, top);
    block_sums.push_back(static_cast<double>(sums.e));
    total += static_cast<double>(sums.e);
    weighted += static_cast<double>(sums.weighted);
  }
  if (!std::isfinite(top) || !std::isfinite(total) || total <= 0.0)
    throw Error(ErrorKind::numeric, "the model's logits are not finite, so no token can be drawn; the weights have diverged");
  for (const std::int32_t id : forbidden) {
    float& weight = logits[static_cast<std::size_t>(id)];
    block_sums[static_cast<std::size_t>(id / kBlock)] -= static_cast<double>(weight);
    weight = 0.0F;
  }
  SelectedToken token;
  if (greedy) {
    token.id = static_cast<std::int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
  } else if (params.top_k > 0 || params.top_p < 1.0 || params.min_p > 0.0) {
    double allowed = 0.0;
    for (const double s : block_sums) allowed += s;
    token.id = draw_filtered(logits, allowed, params, uniform);
  } else {
    token.id = draw(logits, block_sums, uniform);
  }
  token.log_prob = static_cast<float>(std::log(static_cast<double>(logits[static_cast<std::size_t>(token.id)])) - std::log(total));
  token.entropy = static_cast<float>(std::log(total) - weighted / total);
  return token;
}

}  // namespace grpo
