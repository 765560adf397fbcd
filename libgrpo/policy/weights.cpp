#include "libgrpo/policy/weights.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/format/gguf.hpp"
#include "libgrpo/format/safetensors.hpp"
#include "libgrpo/tensor/precompiled.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

namespace grpo {
namespace {

namespace fs = std::filesystem;
using std::int64_t;

[[noreturn]] void refuse(const fs::path& file, const std::string& why) {
  throw Error(ErrorKind::data, fmt::format("{}: {}", file.string(), why));
}

void check_shape(const fs::path& file, const std::string& name, const std::vector<int64_t>& found, const at::Tensor& wanted) {
  if (at::IntArrayRef(found) != wanted.sizes())
    refuse(file, fmt::format("tensor {} has shape [{}], the config says [{}]", name, fmt::join(found, ", "),
                             fmt::join(wanted.sizes().vec(), ", ")));
}

at::ScalarType scalar_type(const fs::path& file, const SafeTensor& tensor) {
  if (tensor.dtype == "F32") return at::kFloat;
  if (tensor.dtype == "BF16") return at::kBFloat16;
  if (tensor.dtype == "F16") return at::kHalf;
  refuse(file, fmt::format("tensor {} has type {}; F32, F16 and BF16 can be read", tensor.name, tensor.dtype));
}

void copy_into(const fs::path& file, const SafeTensor& tensor, const at::Tensor& to) {
  check_shape(file, tensor.name, tensor.shape, to);
  const auto type = scalar_type(file, tensor);
  const auto width = dtype_bytes(tensor.dtype);
  if (reinterpret_cast<std::uintptr_t>(tensor.data.data()) % width == 0) {
    auto* bytes = const_cast<std::byte*>(tensor.data.data());  // from_blob takes no const; the tensor is only read
    to.copy_(at::from_blob(bytes, to.sizes(), at::TensorOptions().dtype(type)));
    return;
  }
  auto aligned = at::empty(to.sizes(), at::TensorOptions().dtype(type));
  std::memcpy(aligned.mutable_data_ptr(), tensor.data.data(), tensor.data.size());
  to.copy_(aligned);
}

/// The files that hold a folder's weights: one, or the shards an index names.
std::vector<fs::path> weight_files(const fs::path& folder) {
  if (fs::exists(folder / "model.safetensors")) return {folder / "model.safetensors"};
  const fs::path index = folder / "model.safetensors.index.json";
  std::ifstream in(index);
  if (!in) refuse(folder, "holds neither model.safetensors nor model.safetensors.index.json");
  const auto json = nlohmann::json::parse(in, nullptr, false);
  if (!json.is_object() || !json.contains("weight_map") || !json["weight_map"].is_object())
    refuse(index, "has no object 'weight_map'");
  std::set<std::string> names;
  for (const auto& [tensor, file] : json["weight_map"].items()) {
    if (!file.is_string() || file.get<std::string>().find('/') != std::string::npos)
      refuse(index, fmt::format("weight_map names {} for {}, expected a file name", file.dump(), tensor));
    names.insert(file.get<std::string>());
  }
  std::vector<fs::path> files;
  for (const auto& name : names) files.push_back(folder / name);
  return files;
}

void load_folder(const fs::path& folder, const std::vector<NamedSlice>& slices) {
  std::map<std::string, const NamedSlice*, std::less<>> wanted;
  for (const auto& slice : slices) wanted[slice.name] = &slice;
  for (const fs::path& path : weight_files(folder)) {
    const SafetensorsFile file(path);
    for (const SafeTensor& tensor : file.tensors()) {
      const auto found = wanted.find(tensor.name);
      if (found == wanted.end()) {
        // A tied head may be stored again, and old exports carry rotary buffers; anything else would change the result.
        if (tensor.name == "lm_head.weight" || tensor.name.ends_with("rotary_emb.inv_freq")) continue;
        refuse(path, fmt::format("tensor {} has no place in this architecture", tensor.name));
      }
      copy_into(path, tensor, found->second->slice);
      wanted.erase(found);
    }
  }
  if (!wanted.empty()) refuse(folder, fmt::format("tensor {} is missing ({} in all)", wanted.begin()->first, wanted.size()));
}

void dequantize_into(const GgufTensor& tensor, float* to, int64_t count) {
  constexpr int64_t kBlock = 256 * 64;
  at::parallel_for(0, (count + kBlock - 1) / kBlock, 1, [&](int64_t first, int64_t last) {
    const int64_t begin = first * kBlock, end = std::min(last * kBlock, count);
    GgufFile::dequantize(tensor, static_cast<std::uint64_t>(begin), std::span(to + begin, static_cast<std::size_t>(end - begin)));
  });
}

void load_gguf(const fs::path& path, const std::vector<NamedSlice>& slices) {
  const GgufFile file(path);
  for (const NamedSlice& slice : slices) {
    const GgufTensor* tensor = file.find(slice.gguf_name);
    if (tensor == nullptr) refuse(path, fmt::format("tensor {} is missing", slice.gguf_name));
    check_shape(path, tensor->name, tensor->shape, slice.slice);
    if (slice.rotary_heads == 0) {
      dequantize_into(*tensor, slice.slice.mutable_data_ptr<float>(), slice.slice.numel());
      continue;
    }
    // GGUF keeps a head's two halves interleaved row by row; Hugging Face keeps them one after the other.
    auto stored = at::empty(slice.slice.sizes(), at::kFloat);
    dequantize_into(*tensor, stored.mutable_data_ptr<float>(), stored.numel());
    const int64_t half = slice.slice.size(0) / slice.rotary_heads / 2;
    slice.slice.view({slice.rotary_heads, 2, half, -1}).copy_(stored.view({slice.rotary_heads, half, 2, -1}).transpose(1, 2));
  }
  if (file.find("rope_freqs.weight") != nullptr) refuse(path, "rope_freqs.weight (scaled rotary embedding) is not supported");
}

}  // namespace

Weights Weights::allocate(const ModelConfig& c) {
  const auto make = [](at::IntArrayRef shape, bool wanted = true) { return wanted ? at::empty(shape, at::kFloat) : at::Tensor(); };
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
                        interleaved ? rotary_heads : 0});
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

Weights load_weights(const fs::path& model, const ModelConfig& config) {
  Weights weights = Weights::allocate(config);
  const auto slices = named_slices(weights, config);
  if (fs::is_directory(model)) {
    load_folder(model, slices);
  } else {
    load_gguf(model, slices);
  }
  return weights;
}

}  // namespace grpo
