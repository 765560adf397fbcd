#include "libgrpo/policy/lora.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/base/random.hpp"
#include "libgrpo/tensor/precompiled.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <set>
#include <string_view>

namespace grpo {
namespace {

using std::int64_t;
using Names = std::vector<std::string>;

constexpr std::string_view kWeight = ".weight", kPrefix = "base_model.model.";

/// The module a tensor belongs to: "model.norm" of "model.norm.weight".
std::string module_of(const std::string& tensor) { return tensor.substr(0, tensor.rfind('.')); }
std::string last_part(const std::string& module) { return module.substr(module.rfind('.') + 1); }

/// PEFT's rule: a module is meant by its whole name or by the end of it.
bool meant_by(const Names& targets, const std::string& module) {
  return std::any_of(targets.begin(), targets.end(), [&](const std::string& t) { return module == t || module.ends_with("." + t); });
}

/// The fused matrix of a layer that a slice lies in.
const at::Tensor& fused_of(const LayerWeights& w, const at::Tensor& slice) {
  for (const at::Tensor* fused : {&w.qkv, &w.o, &w.gate_up})
    if (fused->storage().is_alias_of(slice.storage()) && slice.storage_offset() >= fused->storage_offset() &&
        slice.storage_offset() < fused->storage_offset() + fused->numel())
      return *fused;
  return w.down;
}

/// Uniform in +-1/sqrt(in), the same on every platform.
at::Tensor random_a(int64_t rank, int64_t in, const std::string& module, std::uint64_t seed) {
  auto a = at::empty({rank, in}, at::kFloat);
  auto* to = a.mutable_data_ptr<float>();
  RandomStream stream(seed, "lora " + module);
  const double bound = 1.0 / std::sqrt(static_cast<double>(in));
  for (int64_t i = 0; i < a.numel(); ++i)
    to[i] = static_cast<float>(bound * (std::ldexp(static_cast<double>(stream.next_u32()), -31) - 1.0));
  return a;
}

[[noreturn]] void refuse_module(const char* option, const std::string& name, const std::set<std::string>& known) {
  throw Error(ErrorKind::recipe, fmt::format("{}: the model has no module {}; it has {}", option, name, fmt::join(known, ", ")));
}

void check_named(const char* option, const Names& wanted, const Names& found, const std::set<std::string>& known) {
  for (const std::string& name : wanted)
    if (std::none_of(found.begin(), found.end(), [&](const std::string& module) { return meant_by({name}, module); }))
      refuse_module(option, name, known);
}

}  // namespace

double LoraOptions::scale() const { return alpha / (rslora ? std::sqrt(static_cast<double>(rank)) : static_cast<double>(rank)); }

Lora::Lora(LoraOptions options, const ModelConfig& config, const Weights& weights) : Lora(std::move(options), weights) {
  const bool all = options_.target_modules == Names{"all-linear"};
  if (options_.target_modules.empty()) options_.target_modules = config.fused_tensors ? Names{"qkv_proj"} : Names{"q_proj", "v_proj"};
  Names adapted, whole;
  std::set<std::string> matrices, others;
  for (const NamedSlice& slice : slices(weights, config)) {
    const std::string module = module_of(slice.name);
    if (!slice.is_layer_matrix()) continue;
    matrices.insert(last_part(module));
    if (!all && !meant_by(options_.target_modules, module)) continue;
    adapted.push_back(module);
    const int64_t rows = slice.slice.size(0), in = slice.slice.size(1);
    const at::Device device = slice.slice.device();
    adapt(weights, slice, random_a(options_.rank, in, module, options_.seed).to(device),
          at::zeros({rows, options_.rank}, at::TensorOptions(device).dtype(at::kFloat)));
  }
  if (all) options_.target_modules.assign(matrices.begin(), matrices.end());
  for (const NamedSlice& slice : slices(weights, config)) {
    const std::string module = module_of(slice.name);
    others.insert(last_part(module));
    if (!meant_by(options_.modules_to_save, module)) continue;
    whole.push_back(module);
    train_whole(weights, slice, slice.slice.to(at::kFloat, false, true));
  }
  check_named("lora_target_modules", options_.target_modules, adapted, matrices);
  check_named("lora_modules_to_save", options_.modules_to_save, whole, others);
}

std::vector<NamedSlice> Lora::slices(const Weights& weights, const ModelConfig& config) {
  auto all = named_slices(weights, config);
  if (config.tie_word_embeddings) all.push_back({"lm_head.weight", "", weights.head.detach()});
  return all;
}

void Lora::adapt(const Weights& weights, const NamedSlice& slice, at::Tensor a, at::Tensor b) {
  const auto layer = static_cast<std::size_t>(slice.layer);
  const LayerWeights& w = weights.layers[layer];
  const at::Tensor& fused = fused_of(w, slice.slice);
  LayerAdapters& to = layers_[layer];
  auto& list = fused.is_same(w.qkv) ? to.qkv : fused.is_same(w.o) ? to.o : fused.is_same(w.gate_up) ? to.gate_up : to.down;
  const int64_t first = (slice.slice.storage_offset() - fused.storage_offset()) / fused.size(1);
  list.push_back({std::move(a), std::move(b), first, options_.scale()});
  matrices_.push_back({module_of(slice.name), slice.slice, list.back()});
}

/// Puts `tensor` in the slice's place in weights_. What shares its storage with others cannot be replaced alone.
void Lora::train_whole(const Weights& weights, const NamedSlice& slice, at::Tensor tensor) {
  const auto replace = [&](const at::Tensor& own, at::Tensor& place) {
    if (!own.defined() || !own.storage().is_alias_of(slice.slice.storage()) || own.numel() != slice.slice.numel()) return false;
    place = tensor;
    return true;
  };
  bool done = slice.name == "lm_head.weight" && replace(weights.head, weights_.head);
  if (!done && slice.layer < 0) done = replace(weights.embed, weights_.embed) || replace(weights.norm, weights_.norm);
  for (std::size_t i = 0; !done && i < weights.layers.size(); ++i) {
    const LayerWeights& from = weights.layers[i];
    LayerWeights& to = weights_.layers[i];
    for (const auto member : {&LayerWeights::input_norm, &LayerWeights::q_norm, &LayerWeights::k_norm, &LayerWeights::o,
                              &LayerWeights::o_bias, &LayerWeights::attention_output_norm, &LayerWeights::post_attention_norm,
                              &LayerWeights::down, &LayerWeights::down_bias, &LayerWeights::mlp_output_norm})
      if (!done) done = replace(from.*member, to.*member);
  }
  if (!done)
    throw Error(ErrorKind::recipe, fmt::format("lora_modules_to_save: {} is stored in one matrix with others and cannot be trained whole "
                                               "alone; give it an adapter (lora_target_modules)",
                                               module_of(slice.name)));
  modules_.push_back({slice.name, std::move(tensor)});
}

std::vector<Parameter> Lora::parameters() const {
  std::vector<Parameter> all;
  for (const Matrix& m : matrices_) {
    all.push_back({fmt::format("{}{}.lora_A.weight", kPrefix, m.module), m.adapter.a, true});
    all.push_back({fmt::format("{}{}.lora_B.weight", kPrefix, m.module), m.adapter.b, true});
  }
  for (const Module& m : modules_) all.push_back({std::string(kPrefix) + m.name, m.tensor, m.tensor.dim() == 2});
  return all;
}

void Lora::merge() const {
  const at::NoGradGuard no_grad;
  for (const Matrix& m : matrices_) {
    const auto sum = m.slice.to(at::kFloat).addmm(m.adapter.b.detach(), m.adapter.a.detach(), 1.0, m.adapter.scale);
    at::Tensor slice = m.slice;
    slice.copy_(sum);
  }
}

}  // namespace grpo
