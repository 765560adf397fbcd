#include "libgrpo/sampler/select_token.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/tensor/simd.hpp"

#include <algorithm>
#include <cmath>

namespace grpo {
namespace {

using std::int64_t;

constexpr int64_t kBlock = 1024;  // block sums keep the cumulative sum exact enough and the search short

struct Weighted {
  float weight;
  std::int32_t id;
};

bool likelier(const Weighted& a, const Weighted& b) { return a.weight != b.weight ? a.weight > b.weight : a.id < b.id; }

GRPO_SIMD_CLONES simd::ExpSums exp_sums(const float* z, int64_t n, float scale, float top) {
  return simd::exp_sums<false>(z, n, scale, top);
}

GRPO_SIMD_CLONES void exponentiate(float* weights, const float* z, int64_t n, float scale, float top) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) weights[i] = simd::exp(z[i] * scale - top);
}

GRPO_SIMD_CLONES float maximum(const float* z, int64_t n) { return simd::max(z, n); }

/// The distribution exp(z - top), block by block; weights are made where they are needed, never all at once.
class Distribution {
 public:
  Distribution(std::span<const float> logits, float scale, std::span<const std::int32_t> forbidden)
      : logits_(logits), forbidden_(forbidden), scale_(scale), top_(maximum(logits.data(), size()) * scale) {
    for (int64_t first = 0; first < size(); first += kBlock) {
      const simd::ExpSums sums = exp_sums(logits.data() + first, std::min(kBlock, size() - first), scale, top_);
      masses_.push_back(static_cast<double>(sums.e));
      total_ += static_cast<double>(sums.e);
      weighted_ += static_cast<double>(sums.weighted);
    }
    if (!std::isfinite(top_) || !std::isfinite(total_) || total_ <= 0.0)
      throw Error(ErrorKind::numeric, "the model's logits are not finite, so no token can be drawn; the weights have diverged");
    allowed_ = total_;
    for (const std::int32_t id : forbidden) {
      float weight = 0.0F;
      exponentiate(&weight, logits.data() + id, 1, scale, top_);
      masses_[static_cast<std::size_t>(id / kBlock)] -= static_cast<double>(weight);
      allowed_ -= static_cast<double>(weight);
    }
  }

  [[nodiscard]] int64_t size() const { return static_cast<int64_t>(logits_.size()); }
  /// Mass that may be drawn.
  [[nodiscard]] double allowed() const { return allowed_; }
  [[nodiscard]] const std::vector<double>& masses() const { return masses_; }
  [[nodiscard]] double log_prob(std::int32_t id) const {
    return static_cast<double>(logits_[static_cast<std::size_t>(id)] * scale_ - top_) - std::log(total_);
  }
  [[nodiscard]] double entropy() const { return std::log(total_) - weighted_ / total_; }

  /// Weights of a block, those of forbidden tokens zero. Returns how many.
  int64_t block(int64_t index, float* weights) const {
    const int64_t first = index * kBlock, count = std::min(kBlock, size() - first);
    exponentiate(weights, logits_.data() + first, count, scale_, top_);
    for (const std::int32_t id : forbidden_)
      if (id >= first && id < first + count) weights[id - first] = 0.0F;
    return count;
  }

  /// The likeliest allowed token, the first of equals.
  [[nodiscard]] std::int32_t likeliest() const {
    const auto is_forbidden = [&](std::size_t id) {
      return std::find(forbidden_.begin(), forbidden_.end(), static_cast<std::int32_t>(id)) != forbidden_.end();
    };
    std::size_t best = logits_.size();
    for (std::size_t i = 0; i < logits_.size(); ++i)
      if ((best == logits_.size() || logits_[i] > logits_[best]) && !is_forbidden(i)) best = i;
    if (best == logits_.size()) throw Error(ErrorKind::numeric, "every token is an end token, and none may be drawn yet");
    return static_cast<std::int32_t>(best);
  }

 private:
  std::span<const float> logits_;
  std::span<const std::int32_t> forbidden_;
  float scale_, top_;
  std::vector<double> masses_;
  double total_ = 0.0, weighted_ = 0.0, allowed_ = 0.0;
};

/// The token in which the cumulative sum passes uniform x mass.
std::int32_t draw(const Distribution& distribution, double uniform) {
  double left = uniform * distribution.allowed();
  const auto& masses = distribution.masses();
  std::size_t block = 0;
  while (block + 1 < masses.size() && left >= masses[block]) left -= masses[block++];
  std::int32_t last_possible = -1;
  float weights[kBlock];
  for (; block < masses.size(); ++block) {
    const int64_t count = distribution.block(static_cast<int64_t>(block), weights);
    for (int64_t i = 0; i < count; ++i) {
      if (weights[i] <= 0.0F) continue;
      last_possible = static_cast<std::int32_t>(static_cast<int64_t>(block) * kBlock + i);
      left -= static_cast<double>(weights[i]);
      if (left < 0.0) return last_possible;
    }
  }
  return last_possible >= 0 ? last_possible : distribution.likeliest();  // rounding at the very end
}

/// Keeps the `count` likeliest.
void keep_likeliest(std::vector<Weighted>& kept, std::size_t count) {
  if (kept.size() <= count) return;
  std::nth_element(kept.begin(), kept.begin() + static_cast<std::ptrdiff_t>(count), kept.end(), likelier);
  kept.resize(count);
}

/// Tokens of at least `floor`; with top_k > 0 the likeliest of them, so that the list stays short on the way.
std::vector<Weighted> candidates(const Distribution& distribution, double floor, std::size_t top_k) {
  std::vector<Weighted> kept;
  float weights[kBlock];
  for (std::size_t block = 0; block < distribution.masses().size(); ++block) {
    const int64_t count = distribution.block(static_cast<int64_t>(block), weights);
    for (int64_t i = 0; i < count; ++i)
      if (weights[i] > 0.0F && static_cast<double>(weights[i]) >= floor)
        kept.push_back({weights[i], static_cast<std::int32_t>(static_cast<int64_t>(block) * kBlock + i)});
    if (top_k > 0) keep_likeliest(kept, top_k);
  }
  return kept;
}

/// Puts the smallest set of likeliest tokens that reaches `target` first and drops the others. Halves the interval that its end
/// lies in, so the time is linear.
void keep_nucleus(std::vector<Weighted>& kept, double target) {
  auto begin = kept.begin(), end = kept.end();
  double before = 0.0;  // mass of [kept.begin(), begin), below target
  while (end - begin > 1) {
    const auto middle = begin + (end - begin) / 2;
    std::nth_element(begin, middle, end, likelier);
    double mass = 0.0;
    for (auto i = begin; i != middle; ++i) mass += static_cast<double>(i->weight);
    if (before + mass >= target) {
      end = middle;
    } else {
      before += mass;
      begin = middle;
    }
  }
  kept.erase(end, kept.end());
}

double mass_of(const std::vector<Weighted>& kept) {
  double mass = 0.0;
  for (const Weighted& w : kept) mass += static_cast<double>(w.weight);
  return mass;
}

/// Tokens that survive top-k, top-p and min-p, in id order.
std::vector<Weighted> survivors(const Distribution& distribution, const SamplingParams& p) {
  // Tokens below (1 - top_p) / V of the mass sum to less than 1 - top_p, so the nucleus lies above that.
  double floor = 0.0;
  if (p.top_k == 0 && p.top_p < 1.0) floor = (1.0 - p.top_p) * distribution.allowed() / static_cast<double>(distribution.size());
  auto kept = candidates(distribution, floor, static_cast<std::size_t>(p.top_k));
  if (p.top_p < 1.0 && !kept.empty()) keep_nucleus(kept, p.top_p * (p.top_k > 0 ? mass_of(kept) : distribution.allowed()));
  if (p.min_p > 0.0) {
    float top = 0.0F;
    for (const Weighted& w : kept) top = std::max(top, w.weight);
    const auto cut = static_cast<float>(p.min_p) * top;
    std::erase_if(kept, [&](const Weighted& w) { return w.weight < cut; });
  }
  std::sort(kept.begin(), kept.end(), [](const Weighted& a, const Weighted& b) { return a.id < b.id; });
  return kept;
}

std::int32_t draw_filtered(const Distribution& distribution, const SamplingParams& params, double uniform) {
  const auto kept = survivors(distribution, params);
  double left = uniform * mass_of(kept);
  for (const Weighted& w : kept) {
    left -= static_cast<double>(w.weight);
    if (left < 0.0) return w.id;
  }
  return kept.empty() ? distribution.likeliest() : kept.back().id;
}

}  // namespace

SelectedToken select_token(std::span<const float> logits, const SamplingParams& params, double uniform,
                           std::span<const std::int32_t> forbidden) {
  const bool greedy = params.temperature <= 0.0;
  const Distribution distribution(logits, greedy ? 1.0F : static_cast<float>(1.0 / params.temperature), forbidden);
  SelectedToken token;
  if (greedy) {
    token.id = distribution.likeliest();
  } else if (params.top_k > 0 || params.top_p < 1.0 || params.min_p > 0.0) {
    token.id = draw_filtered(distribution, params, uniform);
  } else {
    token.id = draw(distribution, uniform);
  }
  token.log_prob = static_cast<float>(distribution.log_prob(token.id));
  token.entropy = static_cast<float>(distribution.entropy());
  return token;
}

}  // namespace grpo
