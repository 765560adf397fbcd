#include "libgrpo/policy/rope_gguf.hpp"

#include "libgrpo/base/error.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <fmt/format.h>
#include <numbers>
#include <optional>

namespace grpo {
namespace {

[[noreturn]] void refuse(const GgufFile& file, const std::string& why) {
  throw Error(ErrorKind::data, fmt::format("{}: {}", file.path().string(), why));
}

/// cos and sin are multiplied by this in llama.cpp's yarn before attn_factor comes on top (YaRN, equation 22).
double yarn_magnitude(double factor) { return factor <= 1.0 ? 1.0 : 0.1 * std::log(factor) + 1.0; }

double wavelength(const ModelConfig& c, std::size_t i) {
  return 2.0 * std::numbers::pi * std::pow(c.rope_theta, 2.0 * static_cast<double>(i) / static_cast<double>(c.head_dim));
}

/// What divides each frequency under "llama3": 1, the factor, or a blend between (the formula is rope.cpp's).
std::vector<double> llama3_factors(const ModelConfig& c, const RopeScaling& s) {
  std::vector<double> factors;
  for (std::size_t i = 0; i < static_cast<std::size_t>(c.head_dim / 2); ++i) {
    const double turns = static_cast<double>(s.original_context) / wavelength(c, i);
    const double blend = std::clamp((turns - s.low_freq_factor) / (s.high_freq_factor - s.low_freq_factor), 0.0, 1.0);
    factors.push_back(1.0 / ((1.0 - blend) / s.factor + blend));
  }
  return factors;
}

/// The "llama3" scaling that these factors come from, if there is one.
std::optional<RopeScaling> find_llama3(const std::vector<double>& factors, const ModelConfig& c) {
  RopeScaling s;
  s.type = "llama3";
  s.factor = shortest_decimal(factors.back());  // the longest wave is divided whole
  if (!(s.factor > 1.0)) return std::nullopt;
  for (std::size_t i = 0; i < factors.size(); ++i) {
    const double blend = (1.0 / factors[i] - 1.0 / s.factor) / (1.0 - 1.0 / s.factor);
    if (blend < 1e-3 || blend > 1.0 - 1e-3) continue;
    const double context = wavelength(c, i) * (s.low_freq_factor + blend * (s.high_freq_factor - s.low_freq_factor));
    if (!(context < 1e12)) return std::nullopt;
    s.original_context = std::llround(context);
    break;
  }
  if (s.original_context < 2) return std::nullopt;
  const std::vector<double> again = llama3_factors(c, s);
  const auto close = [](double a, double b) { return std::abs(a - b) <= 1e-5 * b; };
  if (!std::equal(factors.begin(), factors.end(), again.begin(), close)) return std::nullopt;
  return s;
}

void read_factors(const GgufFile& file, const GgufTensor& tensor, ModelConfig& c) {
  if (tensor.shape != std::vector<std::int64_t>{c.head_dim / 2})
    refuse(file, fmt::format("{} must have {} entries, one for each frequency", kRopeFactors, c.head_dim / 2));
  std::vector<float> stored(static_cast<std::size_t>(c.head_dim / 2));
  GgufFile::dequantize(tensor, stored);
  const std::vector<double> factors(stored.begin(), stored.end());
  for (const double factor : factors)
    if (!std::isfinite(factor) || !(factor > 0.0)) refuse(file, fmt::format("{} holds {}, expected numbers above 0", kRopeFactors, factor));
  if (std::all_of(factors.begin(), factors.end(), [](double factor) { return factor == 1.0; })) return;
  if (const auto found = find_llama3(factors, c)) {
    c.rope_scaling = *found;
    return;
  }
  c.rope_scaling.type = "factors";
  c.rope_scaling.short_factor = factors;
}

}  // namespace

double shortest_decimal(double stored) {
  const auto narrow = static_cast<float>(stored);
  return static_cast<double>(narrow) == stored ? std::strtod(fmt::format("{}", narrow).c_str(), nullptr) : stored;
}

void read_gguf_rope(const GgufFile& file, const std::string& prefix, ModelConfig& c) {
  const auto number = [&](const char* key, double absent) {
    return file.has(prefix + key) ? shortest_decimal(file.number(prefix + key)) : absent;
  };
  if (const char* key = "dimension_count"; file.has(prefix + key) && file.integer(prefix + key) != c.head_dim)
    refuse(file, fmt::format("'{}{}' is {}, but heads are {} wide: rotation of a part of each head is not supported", prefix, key,
                             file.integer(prefix + key), c.head_dim));
  if (c.head_dim < 2 || c.head_dim > 4096) refuse(file, fmt::format("head width is {}, expected 2 to 4096", c.head_dim));
  c.rope_theta = number("freq_base", 10000.0);
  RopeScaling& s = c.rope_scaling;
  s.original_context = c.context_length;
  const double factor = number("scaling.factor", number("scale_linear", 0.0));  // the second is its earlier name
  const std::string type = file.has(prefix + "scaling.type") ? file.text(prefix + "scaling.type") : "linear";
  if (type != "none" && type != "linear" && type != "yarn")
    refuse(file, fmt::format("'{}scaling.type' is '{}', which is not supported; none, linear and yarn are", prefix, type));
  for (const char* key : {"scaling.alpha", "scaling.yarn_log_multiplier", "scaling.yarn_ext_factor", "scaling.yarn_attn_factor"})
    if (number(key, 0.0) != 0.0) refuse(file, fmt::format("'{}{}' is set, which is not supported", prefix, key));
  if (type != "none" && factor != 0.0 && (type == "yarn" || factor != 1.0)) {
    s.type = type;
    s.factor = factor;
    if (file.has(prefix + "scaling.original_context_length")) s.original_context = file.integer(prefix + "scaling.original_context_length");
    if (!(factor > 0.0) || s.original_context < 2 || (type == "yarn" && !(c.rope_theta > 1.0)))
      refuse(file, fmt::format("'{}scaling': factor must be above 0, original_context_length above 1, freq_base above 1 for yarn", prefix));
  }
  if (s.type == "yarn") {
    s.beta_fast = number("scaling.yarn_beta_fast", 32.0);
    s.beta_slow = number("scaling.yarn_beta_slow", 1.0);
    s.attention_factor = yarn_magnitude(s.factor) * number("scaling.attn_factor", 1.0);
    if (!(s.beta_fast > 0.0) || !(s.beta_slow > 0.0) || !(s.attention_factor > 0.0))
      refuse(file, fmt::format("'{}scaling': beta_fast, beta_slow and attn_factor must be above 0", prefix));
  }
  const GgufTensor* factors = file.find(kRopeFactors);
  if (factors == nullptr) return;
  if (s.type != "default") refuse(file, fmt::format("{} together with '{}scaling.type' {} is not supported", kRopeFactors, prefix, s.type));
  read_factors(file, *factors, c);
}

void add_gguf_rope(const ModelConfig& c, const std::string& prefix, GgufEntries& entries) {
  const auto number = [&](const char* key, double value) { entries.emplace_back(prefix + key, static_cast<float>(value)); };
  const RopeScaling& s = c.rope_scaling;
  entries.emplace_back(prefix + "dimension_count", static_cast<std::uint32_t>(c.head_dim));
  number("freq_base", c.rope_theta);
  if (s.type != "linear" && s.type != "yarn") return;
  entries.emplace_back(prefix + "scaling.type", s.type);
  number("scaling.factor", s.factor);
  if (s.type == "linear") return;
  entries.emplace_back(prefix + "scaling.original_context_length", static_cast<std::uint32_t>(s.original_context));
  // What llama.cpp assumes is left to it.
  const double over = s.attention_factor / yarn_magnitude(s.factor);
  if (std::abs(over - 1.0) > 1e-6) number("scaling.attn_factor", over);
  if (s.beta_fast != 32.0) number("scaling.yarn_beta_fast", s.beta_fast);
  if (s.beta_slow != 1.0) number("scaling.yarn_beta_slow", s.beta_slow);
}

std::vector<float> gguf_rope_factors(const ModelConfig& c) {
  const RopeScaling& s = c.rope_scaling;
  if (s.type != "llama3" && s.type != "factors") return {};
  const std::vector<double> factors = s.type == "factors" ? s.short_factor : llama3_factors(c, s);
  return {factors.begin(), factors.end()};
}

}  // namespace grpo
