#include "libgrpo/policy/causal_lm.hpp"

#include "libgrpo/base/check.hpp"
#include "libgrpo/base/error.hpp"
#include "libgrpo/base/files.hpp"
#include "libgrpo/format/safetensors.hpp"
#include "libgrpo/tensor/attention.hpp"
#include "libgrpo/tensor/layers.hpp"
#include "libgrpo/tensor/precompiled.hpp"

#include <cmath>
#include <map>

namespace grpo {
namespace {

using std::int64_t;

at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  return bias.defined() ? at::linear(x, weight, bias) : at::linear(x, weight);
}

at::Tensor scaled(const at::Tensor& x, double factor) { return factor == 1.0 ? x : x * factor; }

/// The identity where the family has no such norm.
at::Tensor norm(const at::Tensor& x, const at::Tensor& weight, const ModelConfig& c) {
  if (!weight.defined()) return x;
  return rms_norm(x, c.norm_offset == 0.0 ? weight : weight + c.norm_offset, c.rms_norm_eps);
}

/// cos and sin of every row's angles. shape: [L, rotary_dim / 2]
struct Angles {
  at::Tensor cos, sin;
  Angles(const Rope& rope, const at::Tensor& positions) {
    const auto angles = positions.to(at::kFloat).unsqueeze(1) * rope.inverse_frequencies;
    cos = scaled(angles.cos(), rope.attention_factor);
    sin = scaled(angles.sin(), rope.attention_factor);
  }
};

/// q or k of one layer from its columns of the fused product: norm, then rotation. shape: [L, H * head_dim] -> [L, H, head_dim]
at::Tensor heads(const at::Tensor& columns, const at::Tensor& norm_weight, const Angles* angles, const ModelConfig& c) {
  const std::int64_t rows = columns.size(0), count = columns.size(1) / c.head_dim;
  at::Tensor x = columns;
  if (norm_weight.defined()) x = norm(columns.reshape({-1, norm_weight.size(0)}), norm_weight, c);
  x = x.view({rows, count, c.head_dim});
  return angles != nullptr ? rotary(x, angles->cos, angles->sin) : x;
}

}  // namespace

CausalLm::CausalLm(ModelConfig config, Weights weights)
    : config_(std::move(config)),
      weights_(std::move(weights)),
      rope_(make_rope(config_)),
      local_rope_(config_.rope_local_theta > 0.0 ? make_rope(config_, true) : rope_) {}

std::unique_ptr<CausalLm> CausalLm::load(const std::filesystem::path& model) {
  const ModelConfig config = read_model_config(model);
  return std::make_unique<CausalLm>(config, load_weights(model, config));
}

AttentionRule CausalLm::attention_rule(int64_t layer) const {
  const ModelConfig& c = config_;
  const double scale = c.attention_multiplier > 0.0 ? c.attention_multiplier : 1.0 / std::sqrt(static_cast<double>(c.head_dim));
  return {scale, c.layer(layer).sliding ? c.sliding_window : 0, c.attention_softcap};
}

at::Tensor TreeAttend::operator()(int64_t /*layer*/, const AttentionRule& rule, const at::Tensor& q, const at::Tensor& k,
                                  const at::Tensor& v) {
  return tree_attention(q, k, v, tree_, rule);
}

at::Tensor CausalLm::hidden(const at::Tensor& ids, const at::Tensor& positions, Attend& attend) const {
  const ModelConfig& c = config_;
  GRPO_CHECK(ids.numel() > 0 && ids.min().item<int64_t>() >= 0 && ids.max().item<int64_t>() < c.vocab_size,
             "token ids lie inside the vocabulary");
  if (const int64_t limit = rope_limit(c); limit > 0 && positions.max().item<int64_t>() >= limit)
    throw Error(ErrorKind::data, "position " + std::to_string(positions.max().item<int64_t>()) + " is beyond the " +
                                     std::to_string(limit) + " tokens that rope_type \"" + c.rope_scaling.type +
                                     "\" is supported for; make prompts or completions shorter");
  const int64_t rows = ids.size(0), q_width = c.num_heads * c.head_dim, kv_width = c.num_kv_heads * c.head_dim;
  const Angles angles(rope_, positions);
  const Angles local = c.rope_local_theta > 0.0 ? Angles(local_rope_, positions) : angles;
  auto x = scaled(at::embedding(weights_.embed, ids), c.embedding_multiplier);
  for (int64_t i = 0; i < c.num_layers; ++i) {
    const LayerWeights& w = weights_.layers[static_cast<std::size_t>(i)];
    const LayerKind kind = c.layer(i);
    const Angles* turn = !kind.rotates ? nullptr : kind.sliding ? &local : &angles;
    const auto qkv = linear(norm(x, w.input_norm, c), w.qkv, w.qkv_bias);
    const auto q = heads(qkv.narrow(1, 0, q_width), w.q_norm, turn, c);
    const auto k = heads(qkv.narrow(1, q_width, kv_width), w.k_norm, turn, c);
    const auto v = qkv.narrow(1, q_width + kv_width, kv_width).view({rows, c.num_kv_heads, c.head_dim});
    const auto attended = linear(attend(i, attention_rule(i), q, k, v).reshape({rows, q_width}), w.o, w.o_bias);
    x = x + scaled(norm(attended, w.attention_output_norm, c), c.residual_multiplier);
    const auto gate_up = linear(norm(x, w.post_attention_norm, c), w.gate_up, w.gate_up_bias);
    const auto gated = c.activation == Activation::silu ? swiglu(gate_up) : geglu_tanh(gate_up);
    x = x + scaled(norm(linear(gated, w.down, w.down_bias), w.mlp_output_norm, c), c.residual_multiplier);
  }
  return norm(x, weights_.norm, c);
}

at::Tensor CausalLm::logits(const at::Tensor& hidden) const {
  const auto z = scaled(at::linear(hidden, weights_.head), 1.0 / config_.logits_divisor);
  return config_.logits_softcap > 0.0 ? config_.logits_softcap * at::tanh(z / config_.logits_softcap) : z;
}

/// A divisor of the logits is a temperature; no family has both a divisor and a softcap.
TokenScores CausalLm::score(const Part& part, double temperature) const {
  TreeAttend attend(part.tree);
  const auto states = hidden(part.ids, part.positions, attend);
  return token_scores(states.index_select(0, part.source), weights_.head, part.targets, temperature * config_.logits_divisor,
                      config_.logits_softcap);
}

std::vector<Parameter> CausalLm::parameters() const {
  std::vector<Parameter> all{{"embed", weights_.embed, true}};
  for (std::size_t i = 0; i < weights_.layers.size(); ++i) {
    const LayerWeights& w = weights_.layers[i];
    const auto add = [&](const char* name, const at::Tensor& tensor) {
      if (tensor.defined()) all.push_back({"layers." + std::to_string(i) + "." + name, tensor, tensor.dim() == 2});
    };
    add("input_norm", w.input_norm);
    add("qkv", w.qkv);
    add("qkv_bias", w.qkv_bias);
    add("q_norm", w.q_norm);
    add("k_norm", w.k_norm);
    add("o", w.o);
    add("o_bias", w.o_bias);
    add("attention_output_norm", w.attention_output_norm);
    add("post_attention_norm", w.post_attention_norm);
    add("gate_up", w.gate_up);
    add("gate_up_bias", w.gate_up_bias);
    add("down", w.down);
    add("down_bias", w.down_bias);
    add("mlp_output_norm", w.mlp_output_norm);
  }
  all.push_back({"norm", weights_.norm, false});
  if (!config_.tie_word_embeddings) all.push_back({"head", weights_.head, true});
  return all;
}

void restore_parameters(const CausalLm& model, const std::vector<std::pair<std::string, at::Tensor>>& named) {
  const at::NoGradGuard no_grad;
  const std::map<std::string, at::Tensor> by_name(named.begin(), named.end());
  for (const Parameter& p : model.parameters()) {
    const auto found = by_name.find(p.name);
    if (found == by_name.end() || found->second.sizes() != p.tensor.sizes())
      throw Error(ErrorKind::data, "saved weights do not fit the model: " + p.name + " is missing or has another shape");
    p.tensor.detach().copy_(found->second);
  }
}

void CausalLm::require_grad() {
  for (const Parameter& p : parameters()) p.tensor.set_requires_grad(true);
}

void CausalLm::save(const std::filesystem::path& folder) const {
  write_file(folder / "config.json", to_config_json(config_));
  write_file(folder / "generation_config.json", to_generation_config_json(config_));
  std::vector<SafeTensor> tensors;
  for (const NamedSlice& s : named_slices(weights_, config_)) {
    GRPO_CHECK(s.slice.is_contiguous(), "slices along the first dimension are contiguous");
    tensors.push_back({s.name, "F32", s.slice.sizes().vec(),
                       {static_cast<const std::byte*>(s.slice.const_data_ptr()), static_cast<std::size_t>(s.slice.nbytes())}});
  }
  write_safetensors(folder / "model.safetensors", tensors, {{"format", "pt"}});
}

}  // namespace grpo
