#include "libgrpo/policy/families.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <fmt/format.h>
#include <string_view>

namespace grpo {
namespace {

constexpr std::array kRopeKeys{"rope_type",
                               "type",
                               "rope_theta",
                               "factor",
                               "original_max_position_embeddings",
                               "low_freq_factor",
                               "high_freq_factor",
                               "attention_factor",
                               "beta_fast",
                               "beta_slow",
                               "mscale",
                               "mscale_all_dim",
                               "truncate",
                               "short_factor",
                               "long_factor",
                               "partial_rotary_factor"};

/// 0.1 m ln(scale) + 1 (YaRN, equation 22)
double magnitude(double scale, double m) { return scale <= 1.0 ? 1.0 : 0.1 * m * std::log(scale) + 1.0; }

void read_yarn(const ConfigFields& rope, RopeScaling& s) {
  s.beta_fast = rope.number("beta_fast", 32.0);
  s.beta_slow = rope.number("beta_slow", 1.0);
  s.truncate = rope.boolean("truncate", true);
  const double over = rope.number("mscale", 0.0), under = rope.number("mscale_all_dim", 0.0);
  const bool both = over != 0.0 && under != 0.0;
  s.attention_factor =
      rope.number("attention_factor", both ? magnitude(s.factor, over) / magnitude(s.factor, under) : magnitude(s.factor, 1.0));
  if (!(s.beta_fast > 0.0) || !(s.beta_slow > 0.0)) rope.refuse("rope_scaling: beta_fast and beta_slow must be above 0");
}

void read_scaling(const ConfigFields& rope, ModelConfig& c) {
  RopeScaling& s = c.rope_scaling;
  s.type = rope.text("rope_type", rope.text("type", "default"));
  if (c.model_type == "phi3" && (s.type == "su" || s.type == "yarn")) s.type = "longrope";  // their earlier names
  for (const std::string& key : rope.keys())
    if (std::find(kRopeKeys.begin(), kRopeKeys.end(), std::string_view(key)) == kRopeKeys.end())
      rope.refuse_value(key, "no such field of rotary embeddings is known");
  if (s.type == "default") return;
  if (s.type != "linear" && s.type != "dynamic" && s.type != "llama3" && s.type != "yarn" && s.type != "longrope")
    rope.refuse_value(rope.has("rope_type") ? "rope_type" : "type", "default, linear, dynamic, llama3, yarn and longrope are");
  s.original_context = rope.integer("original_max_position_embeddings", s.original_context);
  const auto original = static_cast<double>(std::max<std::int64_t>(1, s.original_context));
  const double stretched = static_cast<double>(c.context_length) / original;
  s.factor = s.type == "yarn" || s.type == "longrope" ? rope.number("factor", stretched) : rope.number("factor");
  if (!(s.factor > 0.0) || s.original_context < 2)
    rope.refuse("rope_scaling: factor must be above 0, original_max_position_embeddings above 1");
  if (s.type == "yarn" && !(c.rope_theta > 1.0)) rope.refuse("rope_scaling: yarn needs a rope_theta above 1");
  if (s.type == "llama3") {
    s.low_freq_factor = rope.number("low_freq_factor");
    s.high_freq_factor = rope.number("high_freq_factor");
    if (!(s.low_freq_factor > 0.0) || !(s.high_freq_factor > s.low_freq_factor))
      rope.refuse("rope_scaling: high_freq_factor must be above low_freq_factor, and both above 0");
  }
  if (s.type == "yarn") read_yarn(rope, s);
  if (s.type == "longrope") {
    const std::int64_t frequencies = (c.rotary_dim > 0 ? c.rotary_dim : c.head_dim) / 2;
    s.short_factor = rope.numbers("short_factor", frequencies);
    if (s.short_factor.empty() || !std::all_of(s.short_factor.begin(), s.short_factor.end(), [](double x) { return x > 0.0; }))
      rope.refuse_type("short_factor", fmt::format("a list of {} numbers above 0", frequencies));
    const double grown = std::sqrt(1.0 + std::log(s.factor) / std::log(static_cast<double>(s.original_context)));
    s.attention_factor = rope.number("attention_factor", s.factor <= 1.0 ? 1.0 : grown);
  }
  if (!(s.attention_factor > 0.0)) rope.refuse("rope_scaling: attention_factor must be above 0");
}

/// Gemma 3: one set of rope fields for layers that see everything, one (never scaled) for sliding layers.
void read_two_ropes(const ConfigFields& ropes, ModelConfig& c) {
  for (const std::string& key : ropes.keys())
    if (key != "full_attention" && key != "sliding_attention")
      ropes.refuse_value(key, "this family has full_attention and sliding_attention");
  const ConfigFields all = ropes.object("full_attention"), local = ropes.object("sliding_attention");
  c.rope_theta = all.number("rope_theta", c.rope_theta);
  c.rope_local_theta = local.number("rope_theta", c.rope_local_theta);
  for (const std::string& key : local.keys())
    if (key != "rope_theta" && !((key == "rope_type" || key == "type") && local.equals(key, "\"default\"")))
      local.refuse_value(key, "sliding layers have plain frequencies");
  read_scaling(all, c);
}

}  // namespace

void read_rope(const ConfigFields& fields, ModelConfig& c) {
  const bool two = c.model_type == "gemma3_text", phi3 = c.model_type == "phi3";
  c.rope_theta = fields.number("rope_theta", two ? 1e6 : c.model_type == "smollm3" ? 2e6 : 10000.0);
  if (two) c.rope_local_theta = fields.number("rope_local_base_freq", 10000.0);
  c.rope_scaling.original_context = fields.integer("original_max_position_embeddings", phi3 ? 4096 : c.context_length);

  const char* key = fields.has("rope_scaling") ? "rope_scaling" : "rope_parameters";
  const bool both = fields.has("rope_scaling") && fields.has("rope_parameters");
  if (both && !fields.equals("rope_scaling", fields.shown("rope_parameters")))
    fields.refuse("rope_scaling and rope_parameters say different things; keep one of them");
  const ConfigFields inner = fields.object(key);
  if (two && std::string_view(key) == "rope_parameters" && !inner.keys().empty()) return read_two_ropes(inner, c);

  c.rope_theta = inner.number("rope_theta", c.rope_theta);
  const double part = inner.number("partial_rotary_factor", fields.number("partial_rotary_factor", 1.0));
  if (!(part > 0.0 && part <= 1.0)) fields.refuse(fmt::format("partial_rotary_factor is {}, expected above 0, at most 1", part));
  if (part < 1.0 && !phi3) fields.refuse(fmt::format("partial_rotary_factor = {} is not supported for {}", part, c.model_type));
  if (part < 1.0) c.rotary_dim = static_cast<std::int64_t>(static_cast<double>(c.head_dim) * part);
  if (c.rotary_dim % 2 != 0 || (part < 1.0 && c.rotary_dim < 2))
    fields.refuse(fmt::format("partial_rotary_factor = {} leaves {} entries of a head; rotary embedding needs pairs", part, c.rotary_dim));
  const bool outside = fields.has("original_max_position_embeddings") && inner.has("original_max_position_embeddings");
  if (outside && inner.integer("original_max_position_embeddings") != c.rope_scaling.original_context)
    fields.refuse(fmt::format("original_max_position_embeddings is {} here and {} in {}", c.rope_scaling.original_context,
                              inner.integer("original_max_position_embeddings"), key));
  read_scaling(inner, c);
}

}  // namespace grpo
