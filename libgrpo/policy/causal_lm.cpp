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

at::Tensor frequencies(const ModelConfig& c) {
  const auto exponents = at::arange(0, c.head_dim, 2, at::kLong).to(at::kFloat) / static_cast<double>(c.head_dim);
  return 1.0 / at::pow(c.rope_theta, exponents);
}

}  // namespace

CausalLm::CausalLm(ModelConfig config, Weights weights)
    : config_(std::move(config)), weights_(std::move(weights)), inverse_frequencies_(frequencies(config_)) {}

std::unique_ptr<CausalLm> CausalLm::load(const std::filesystem::path& model) {
  const ModelConfig config = read_model_config(model);
  return std::make_unique<CausalLm>(config, load_weights(model, config));
}

double CausalLm::attention_scale() const { return 1.0 / std::sqrt(static_cast<double>(config_.head_dim)); }

at::Tensor TreeAttend::operator()(int64_t /*layer*/, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  return tree_attention(q, k, v, tree_, scale_);
}

at::Tensor CausalLm::hidden(const at::Tensor& ids, const at::Tensor& positions, Attend& attend) const {
  const ModelConfig& c = config_;
  GRPO_CHECK(ids.numel() > 0 && ids.min().item<int64_t>() >= 0 && ids.max().item<int64_t>() < c.vocab_size,
             "token ids lie inside the vocabulary");
  const int64_t rows = ids.size(0), q_width = c.num_heads * c.head_dim, kv_width = c.num_kv_heads * c.head_dim;
  const auto angles = positions.to(at::kFloat).unsqueeze(1) * inverse_frequencies_;
  const auto cos = angles.cos(), sin = angles.sin();
  auto x = at::embedding(weights_.embed, ids);
  for (int64_t i = 0; i < c.num_layers; ++i) {
    const LayerWeights& w = weights_.layers[static_cast<std::size_t>(i)];
    const auto qkv = at::linear(rms_norm(x, w.input_norm, c.rms_norm_eps), w.qkv);
    const auto q = rotary(qkv.narrow(1, 0, q_width).view({rows, c.num_heads, c.head_dim}), cos, sin);
    const auto k = rotary(qkv.narrow(1, q_width, kv_width).view({rows, c.num_kv_heads, c.head_dim}), cos, sin);
    const auto v = qkv.narrow(1, q_width + kv_width, kv_width).view({rows, c.num_kv_heads, c.head_dim});
    x = x + at::linear(attend(i, q, k, v).reshape({rows, q_width}), w.o);
    x = x + at::linear(swiglu(at::linear(rms_norm(x, w.post_attention_norm, c.rms_norm_eps), w.gate_up)), w.down);
  }
  return rms_norm(x, weights_.norm, c.rms_norm_eps);
}

TokenScores CausalLm::score(const Part& part, double temperature) const {
  TreeAttend attend(part.tree, attention_scale());
  const auto states = hidden(part.ids, part.positions, attend);
  return token_scores(states.index_select(0, part.source), weights_.head, part.targets, temperature);
}

std::vector<Parameter> CausalLm::parameters() const {
  std::vector<Parameter> all{{"embed", weights_.embed, true}};
  for (std::size_t i = 0; i < weights_.layers.size(); ++i) {
    const LayerWeights& w = weights_.layers[i];
    const std::string layer = "layers." + std::to_string(i) + ".";
    all.push_back({layer + "input_norm", w.input_norm, false});
    all.push_back({layer + "qkv", w.qkv, true});
    all.push_back({layer + "o", w.o, true});
    all.push_back({layer + "post_attention_norm", w.post_attention_norm, false});
    all.push_back({layer + "gate_up", w.gate_up, true});
    all.push_back({layer + "down", w.down, true});
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
