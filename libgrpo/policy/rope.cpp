#include "libgrpo/policy/rope.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/tensor/precompiled.hpp"

#include <cmath>
#include <numbers>

namespace grpo {
namespace {

at::Tensor llama3(const at::Tensor& f, const RopeScaling& s) {
  const double context = static_cast<double>(s.original_context);
  const auto wavelength = 2.0 * std::numbers::pi / f;
  const auto blend = (context / wavelength - s.low_freq_factor) / (s.high_freq_factor - s.low_freq_factor);
  const auto between = (1.0 - blend) * f / s.factor + blend * f;
  return at::where(wavelength < context / s.high_freq_factor, f,
                   at::where(wavelength > context / s.low_freq_factor, f / s.factor, between));
}

/// Frequencies that turn at least beta_fast times over the context stay, those that turn less than beta_slow times are divided.
at::Tensor yarn(const at::Tensor& f, const RopeScaling& s, double theta, std::int64_t dim) {
  const auto index_of = [&](double rotations) {
    return static_cast<double>(dim) * std::log(static_cast<double>(s.original_context) / (rotations * 2.0 * std::numbers::pi)) /
           (2.0 * std::log(theta));
  };
  double low = index_of(s.beta_fast), high = index_of(s.beta_slow);
  if (s.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, static_cast<double>(dim - 1));
  if (low == high) high += 0.001;
  const auto divided = ((at::arange(0, dim / 2, at::kFloat) - low) / (high - low)).clamp(0.0, 1.0);
  return f / s.factor * divided + f * (1.0 - divided);
}

}  // namespace

std::int64_t rope_limit(const ModelConfig& c) {
  if (c.rope_scaling.type == "dynamic") return c.context_length;
  if (c.rope_scaling.type == "longrope") return c.rope_scaling.original_context;
  return 0;
}

void check_position(const ModelConfig& c, std::int64_t position) {
  if (const std::int64_t limit = rope_limit(c); limit > 0 && position >= limit)
    throw Error(ErrorKind::data, "position " + std::to_string(position) + " is beyond the " + std::to_string(limit) +
                                     " tokens that rope_type \"" + c.rope_scaling.type +
                                     "\" is supported for; make prompts or completions shorter");
}

Rope make_rope(const ModelConfig& c, bool local) {
  const std::int64_t dim = c.rotary_dim > 0 ? c.rotary_dim : c.head_dim;
  const double theta = local && c.rope_local_theta > 0.0 ? c.rope_local_theta : c.rope_theta;
  const auto exponents = at::arange(0, dim, 2, at::kLong).to(at::kFloat) / static_cast<double>(dim);
  const auto f = 1.0 / at::pow(theta, exponents);
  const RopeScaling& s = c.rope_scaling;
  if (local && c.rope_local_theta > 0.0) return {f, 1.0};
  if (s.type == "linear") return {f / s.factor, 1.0};
  if (s.type == "llama3") return {llama3(f, s), 1.0};
  if (s.type == "yarn") return {yarn(f, s, theta, dim), s.attention_factor};
  if (s.type == "longrope" || s.type == "factors") return {f / at::tensor(s.short_factor, at::kFloat), s.attention_factor};
  return {f, 1.0};
}

}  // namespace grpo
