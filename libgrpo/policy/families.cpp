#include "libgrpo/policy/families.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/policy/family_table.hpp"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <string_view>
#include <vector>

namespace grpo {
namespace {

using std::int64_t;

bool reads(const Family& family, std::string_view key) {
  return std::find(family.reads.begin(), family.reads.end(), key) != family.reads.end();
}

void refuse_experts(const ConfigFields& f) {
  constexpr const char* kScope = "mixture-of-experts models are out of scope";
  for (const char* key : {"num_experts", "num_local_experts", "n_routed_experts", "moe_intermediate_size"})
    if (f.has(key) && !f.equals(key, "0")) f.refuse_value(key, kScope);
  for (const char* key : {"model_type", "architectures"}) {
    std::string name = f.shown(key);
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    for (const char* word : {"moe", "mixtral", "dbrx", "deepseek", "gptoss", "gpt_oss"})
      if (name.find(word) != std::string::npos) f.refuse_value(key, kScope);
  }
}

const Family& find_family(const ConfigFields& f) {
  const auto named_architectures = f.texts("architectures");
  const std::string architecture = named_architectures.empty() ? "" : named_architectures[0];
  const std::string type = f.text("model_type", "");
  std::vector<std::string_view> types, architectures;
  for (const Family& family : families()) {
    types.push_back(family.type);
    architectures.push_back(family.architecture);
    const bool named = type.empty() ? family.architecture == architecture : family.type == type;
    if (named && (architecture.empty() || architecture == family.architecture)) return family;
  }
  if (type == "gemma3") f.refuse_value("model_type", "of Gemma 3 the text models are (gemma3_text)");
  if (!type.empty() && std::find(types.begin(), types.end(), type) == types.end())
    f.refuse_value("model_type", fmt::format("{} are", fmt::join(types, ", ")));
  if (architecture.empty()) f.refuse("'model_type' and 'architectures' are missing: the model's family is not known");
  f.refuse(fmt::format("architecture {} is not supported{}; {} are", architecture,
                       type.empty() ? "" : fmt::format(" for model_type {}", type), fmt::join(architectures, ", ")));
}

void refuse_special(const ConfigFields& f, const Family& family) {
  for (const Special& special : special_fields()) {
    if (reads(family, special.key) || !f.has(special.key)) continue;
    const auto is_value = [&](const std::string& neutral) { return f.equals(special.key, neutral); };
    if (std::any_of(special.neutral.begin(), special.neutral.end(), is_value)) continue;
    f.refuse_value(special.key, special.why != nullptr ? special.why : fmt::format("{} models have no such part", family.type));
  }
}

void read_activation(const ConfigFields& f, const Family& family, ModelConfig& c) {
  const char* key = family.gemma ? "hidden_activation" : "hidden_act";
  const char* expected = family.gemma ? "gelu_pytorch_tanh" : "silu";
  if (f.text(key, expected) != expected) f.refuse_value(key, fmt::format("{} has {}", family.type, expected));
  c.activation = family.gemma ? Activation::gelu_tanh : Activation::silu;
}

void read_multipliers(const ConfigFields& f, const Family& family, ModelConfig& c) {
  const auto number = [&](const char* key, double absent) { return reads(family, key) ? f.number(key, absent) : 0.0; };
  if (reads(family, "embedding_multiplier")) {
    c.embedding_multiplier = f.number("embedding_multiplier", 1.0);
    c.residual_multiplier = f.number("residual_multiplier", 1.0);
    c.attention_multiplier = f.number("attention_multiplier", 1.0);
    c.logits_divisor = f.number("logits_scaling", 1.0);
    if (!(c.attention_multiplier > 0.0) || !(c.logits_divisor > 0.0)) f.refuse("attention_multiplier and logits_scaling must be above 0");
  }
  if (family.gemma) {
    c.norm_offset = 1.0;
    c.embedding_multiplier = std::sqrt(static_cast<double>(c.hidden_size));
    const double scalar = f.number("query_pre_attn_scalar", 256.0);
    if (!(scalar > 0.0)) f.refuse_type("query_pre_attn_scalar", "a number above 0");
    c.attention_multiplier = 1.0 / std::sqrt(scalar);
  }
  const bool gemma2 = family.type == "gemma2";
  const auto cap = [&](const char* key, double absent) { return f.is_null(key) ? 0.0 : number(key, absent); };
  c.attention_softcap = cap("attn_logit_softcapping", gemma2 ? 50.0 : 0.0);
  c.logits_softcap = cap("final_logit_softcapping", gemma2 ? 30.0 : 0.0);
  if (c.attention_softcap < 0.0 || c.logits_softcap < 0.0) f.refuse("soft caps must be above 0, or null for none");
}

/// no_rope_layers holds a 1 for each layer that has positions.
void read_positions(const ConfigFields& f, ModelConfig& c) {
  const int64_t interval = f.integer("no_rope_layer_interval", 4);
  if (interval < 1) f.refuse_type("no_rope_layer_interval", "at least 1");
  const auto list = f.numbers("no_rope_layers", c.num_layers);
  for (int64_t i = 0; i < c.num_layers; ++i) {
    const auto at = static_cast<std::size_t>(i);
    if (!list.empty() && list[at] != 0.0 && list[at] != 1.0) f.refuse_type("no_rope_layers", "entries 0 and 1");
    c.layers[at].rotates = list.empty() ? (i + 1) % interval != 0 : list[at] == 1.0;
  }
}

void read_sliding(const ConfigFields& f, const Family& family, ModelConfig& c) {
  const bool by_switch = family.sliding == Sliding::upper || family.sliding == Sliding::nope_layers;
  const bool on = family.sliding != Sliding::none && (!by_switch || f.boolean("use_sliding_window", false));
  if (family.sliding == Sliding::none && f.has("sliding_window")) f.refuse_value("sliding_window", fmt::format("{} has none", family.type));
  if (on && !f.is_null("sliding_window")) c.sliding_window = f.integer("sliding_window", family.window);
  if (c.sliding_window < 0 || (f.has("sliding_window") && on && c.sliding_window == 0)) f.refuse_type("sliding_window", "at least 1");
  if (family.sliding == Sliding::pattern && c.sliding_window == 0) f.refuse("'sliding_window' is missing");

  const int64_t upper = f.integer("max_window_layers", 28);
  const int64_t pattern = family.type == "gemma3_text" ? f.integer("sliding_window_pattern", family.pattern) : family.pattern;
  if (family.sliding == Sliding::pattern && pattern < 1) f.refuse_type("sliding_window_pattern", "at least 1");
  const auto types = f.texts("layer_types", c.num_layers);
  for (int64_t i = 0; i < c.num_layers; ++i) {
    LayerKind& layer = c.layers[static_cast<std::size_t>(i)];
    bool sliding = c.sliding_window > 0;
    if (family.sliding == Sliding::upper) sliding = sliding && i >= upper;
    if (family.sliding == Sliding::nope_layers) sliding = sliding && !layer.rotates;
    if (family.sliding == Sliding::pattern) sliding = (i + 1) % pattern != 0;
    if (!types.empty()) {
      const std::string& name = types[static_cast<std::size_t>(i)];
      const bool wanted = name == "sliding_attention";
      if (!wanted && name != "full_attention")
        f.refuse(fmt::format("layer_types holds \"{}\", expected full_attention or sliding_attention", name));
      const bool may_differ = family.sliding == Sliding::pattern || by_switch;
      if (wanted != sliding && (!may_differ || (wanted && c.sliding_window == 0)))
        f.refuse(fmt::format("layer_types says \"{}\" for layer {}, the other fields say otherwise", name, i));
      sliding = wanted;
    }
    layer.sliding = sliding;
  }
}

/// "dtype", or "torch_dtype" as it was called before; an unknown one reads as float32, which holds them all.
WeightType read_type(const ConfigFields& f) {
  const std::string name = f.text("dtype", f.text("torch_dtype", "float32"));
  return name == "bfloat16" ? WeightType::bfloat16 : name == "float16" ? WeightType::float16 : WeightType::float32;
}

}  // namespace

std::string architecture_of(const std::string& model_type) {
  for (const Family& family : families())
    if (family.type == model_type) return std::string(family.architecture);
  throw Error(ErrorKind::contract, fmt::format("no model family is called '{}'", model_type));
}

ModelConfig read_family_config(const ConfigFields& f) {
  refuse_experts(f);
  const Family& family = find_family(f);
  refuse_special(f, family);
  ModelConfig c;
  c.model_type = family.type;
  c.vocab_size = f.integer("vocab_size");
  c.hidden_size = f.integer("hidden_size");
  c.intermediate_size = f.integer("intermediate_size");
  c.num_layers = f.integer("num_hidden_layers");
  if (c.num_layers < 1 || c.num_layers > 10000) f.refuse(fmt::format("num_hidden_layers is {}, expected 1 to 10000", c.num_layers));
  c.num_heads = f.integer("num_attention_heads");
  c.num_kv_heads = f.integer("num_key_value_heads", c.num_heads);
  c.head_dim = f.integer("head_dim", family.head_dim > 0 ? family.head_dim : c.num_heads > 0 ? c.hidden_size / c.num_heads : 0);
  if (c.head_dim < 2 || c.head_dim > 4096) f.refuse(fmt::format("head width is {}, expected 2 to 4096", c.head_dim));
  c.context_length = f.integer("max_position_embeddings", 2048);
  c.rms_norm_eps = f.number("rms_norm_eps", family.eps);
  c.tie_word_embeddings = f.boolean("tie_word_embeddings", family.tied);
  c.stored_dtype = read_type(f);

  const bool bias = reads(family, "attention_bias") && f.boolean("attention_bias", false);
  c.qkv_bias = family.qkv_bias || bias;
  c.o_bias = bias;
  c.mlp_bias = reads(family, "mlp_bias") && f.boolean("mlp_bias", false);
  c.qk_norm = family.qk_norm;
  c.pre_norms = family.pre_norms;
  c.post_norms = family.post_norms;
  c.fused_tensors = family.fused;
  c.layers.assign(static_cast<std::size_t>(c.num_layers), {});
  read_activation(f, family, c);
  read_multipliers(f, family, c);
  if (reads(family, "no_rope_layers")) read_positions(f, c);
  read_sliding(f, family, c);
  read_rope(f, c);
  return c;
}

}  // namespace grpo
