#include "libgrpo/policy/weights.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/policy/weights_read.hpp"
#include "libgrpo/tensor/precompiled.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace grpo {

namespace fs = std::filesystem;
using std::int64_t;

void refuse_weights(const fs::path& file, const std::string& why) {
  throw Error(ErrorKind::data, fmt::format("{}: {}", file.string(), why));
}

void check_weight_shape(const fs::path& file, const std::string& name, const std::vector<int64_t>& found, const at::Tensor& wanted) {
  if (at::IntArrayRef(found) != wanted.sizes())
    refuse_weights(file, fmt::format("tensor {} has shape [{}], the config says [{}]", name, fmt::join(found, ", "),
                                     fmt::join(wanted.sizes().vec(), ", ")));
}

Weights Weights::allocate(const ModelConfig& c, at::Device device) {
  const auto type = c.dtype == WeightType::float32 ? at::kFloat : c.dtype == WeightType::bfloat16 ? at::kBFloat16 : at::kHalf;
  const auto options = at::TensorOptions(device).dtype(type);
  const auto make = [&](at::IntArrayRef shape, bool wanted = true) { return wanted ? at::empty(shape, options) : at::Tensor(); };
  const int64_t d = c.hidden_size, m = c.intermediate_size, q = c.num_heads * c.head_dim, kv = c.num_kv_heads * c.head_dim;
  const bool qk = c.qk_norm != QkNorm::none, per_head = c.qk_norm == QkNorm::head;
  Weights w;
  w.embed = make({c.vocab_size, d});
  for (int64_t i = 0; i < c.num_layers; ++i)
    w.layers.push_back({.input_norm = make({d}, c.pre_norms),
                        .qkv = make({q + 2 * kv, d}),
                        .qkv_bias = make({q + 2 * kv}, c.qkv_bias),
                        .q_norm = make({per_head ? c.head_dim : q}, qk),
                        .k_norm = make({per_head ? c.head_dim : kv}, qk),
                        .o = make({d, q}),
                        .o_bias = make({d}, c.o_bias),
                        .attention_output_norm = make({d}, c.post_norms),
                        .post_attention_norm = make({d}, c.pre_norms),
                        .gate_up = make({2 * m, d}),
                        .gate_up_bias = make({2 * m}, c.mlp_bias),
                        .down = make({d, m}),
                        .down_bias = make({d}, c.mlp_bias),
                        .mlp_output_norm = make({d}, c.post_norms)});
  w.norm = make({d});
  w.head = c.tie_word_embeddings ? w.embed : make({c.vocab_size, d});
  return w;
}

Weights Weights::to(at::Device device) const {
  const at::NoGradGuard no_grad;
  const auto moved = [&](const at::Tensor& tensor) { return tensor.defined() ? tensor.to(device) : tensor; };
  Weights there{moved(embed), {}, moved(norm), {}};
  for (const LayerWeights& l : layers)
    there.layers.push_back({.input_norm = moved(l.input_norm),
                            .qkv = moved(l.qkv),
                            .qkv_bias = moved(l.qkv_bias),
                            .q_norm = moved(l.q_norm),
                            .k_norm = moved(l.k_norm),
                            .o = moved(l.o),
                            .o_bias = moved(l.o_bias),
                            .attention_output_norm = moved(l.attention_output_norm),
                            .post_attention_norm = moved(l.post_attention_norm),
                            .gate_up = moved(l.gate_up),
                            .gate_up_bias = moved(l.gate_up_bias),
                            .down = moved(l.down),
                            .down_bias = moved(l.down_bias),
                            .mlp_output_norm = moved(l.mlp_output_norm)});
  there.head = head.is_same(embed) ? there.embed : moved(head);
  return there;
}

std::vector<NamedSlice> named_slices(const Weights& w, const ModelConfig& c) {
  const int64_t q = c.num_heads * c.head_dim, kv = c.num_kv_heads * c.head_dim, m = c.intermediate_size;
  const bool interleaved = c.model_type == "llama";
  std::vector<NamedSlice> slices{{"model.embed_tokens.weight", "token_embd.weight", w.embed}};
  for (std::size_t i = 0; i < w.layers.size(); ++i) {
    const LayerWeights& l = w.layers[i];
    const auto add = [&](const char* name, const char* gguf, const at::Tensor& slice, int64_t rotary_heads = 0) {
      if (!slice.defined()) return;
      const char* kind = slice.dim() == 1 && !std::string_view(name).ends_with("norm") ? "bias" : "weight";
      slices.push_back({fmt::format("model.layers.{}.{}.{}", i, name, kind), fmt::format("blk.{}.{}.{}", i, gguf, kind), slice,
                        interleaved ? rotary_heads : 0, static_cast<int64_t>(i)});
    };
    const auto rows = [](const at::Tensor& all, int64_t first, int64_t count) {
      return all.defined() ? all.detach().narrow(0, first, count) : all;
    };
    add("input_layernorm", "attn_norm", l.input_norm);
    for (const at::Tensor& qkv : {l.qkv, l.qkv_bias}) {
      if (c.fused_tensors) {
        add("self_attn.qkv_proj", "attn_qkv", qkv);
        continue;
      }
      add("self_attn.q_proj", "attn_q", rows(qkv, 0, q), qkv.dim() == 2 ? c.num_heads : 0);
      add("self_attn.k_proj", "attn_k", rows(qkv, q, kv), qkv.dim() == 2 ? c.num_kv_heads : 0);
      add("self_attn.v_proj", "attn_v", rows(qkv, q + kv, kv));
    }
    add("self_attn.q_norm", "attn_q_norm", l.q_norm);
    add("self_attn.k_norm", "attn_k_norm", l.k_norm);
    for (const at::Tensor& o : {l.o, l.o_bias}) add("self_attn.o_proj", "attn_output", o);
    // Llama names the norm before the MLP after what it follows; families with norms behind the blocks name all by their place.
    add("post_attention_layernorm", "post_attention_norm", l.attention_output_norm);
    add(c.post_norms ? "pre_feedforward_layernorm" : "post_attention_layernorm", "ffn_norm", l.post_attention_norm);
    for (const at::Tensor& gate_up : {l.gate_up, l.gate_up_bias}) {
      if (c.fused_tensors) {
        add("mlp.gate_up_proj", "ffn_up", gate_up);
        continue;
      }
      add("mlp.gate_proj", "ffn_gate", rows(gate_up, 0, m));
      add("mlp.up_proj", "ffn_up", rows(gate_up, m, m));
    }
    for (const at::Tensor& down : {l.down, l.down_bias}) add("mlp.down_proj", "ffn_down", down);
    add("post_feedforward_layernorm", "post_ffw_norm", l.mlp_output_norm);
  }
  slices.push_back({"model.norm.weight", "output_norm.weight", w.norm});
  if (!c.tie_word_embeddings) slices.push_back({"lm_head.weight", "output.weight", w.head});
  for (NamedSlice& slice : slices) slice.slice = slice.slice.detach();
  return slices;
}

std::unique_ptr<OpenWeights> open_weights(const fs::path& model, const std::vector<NamedSlice>& slices) {
  return fs::is_directory(model) ? open_folder(model, slices) : open_gguf(model, slices);
}

Weights load_weights(const fs::path& model, const ModelConfig& config, WeightPlace place, at::Device device) {
  Weights weights = Weights::allocate(config);
  const auto slices = named_slices(weights, config);
  if (place == WeightPlace::mapped && fs::is_directory(model)) {
    map_folder(model, slices);
    return weights.to(device);
  }
  const auto file = open_weights(model, slices);
  for (std::size_t i = 0; i < slices.size(); ++i) file->read(i, slices[i].slice);
  return weights.to(device);
}

}  // namespace grpo
