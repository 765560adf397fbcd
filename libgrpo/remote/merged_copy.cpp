#include "libgrpo/base/files.hpp"
#include "libgrpo/format/weight_checksum.hpp"
#include "libgrpo/remote/weight_channel.hpp"
#include "libgrpo/tensor/precompiled.hpp"

namespace grpo::remote {
namespace {

namespace fs = std::filesystem;

at::Tensor copy_of(const at::Tensor& tensor) { return tensor.defined() ? tensor.detach().clone() : tensor; }

Weights copy_of(const Weights& from) {
  Weights to;
  to.embed = copy_of(from.embed);
  to.norm = copy_of(from.norm);
  to.head = from.head.is_same(from.embed) ? to.embed : copy_of(from.head);
  for (const LayerWeights& layer : from.layers) {
    LayerWeights& copy = to.layers.emplace_back();
    for (const auto member : {&LayerWeights::input_norm, &LayerWeights::qkv, &LayerWeights::qkv_bias, &LayerWeights::q_norm,
                              &LayerWeights::k_norm, &LayerWeights::o, &LayerWeights::o_bias, &LayerWeights::attention_output_norm,
                              &LayerWeights::post_attention_norm, &LayerWeights::gate_up, &LayerWeights::gate_up_bias, &LayerWeights::down,
                              &LayerWeights::down_bias, &LayerWeights::mlp_output_norm})
      copy.*member = copy_of(layer.*member);
  }
  return to;
}

}  // namespace

std::unique_ptr<CausalLm> merged_copy(const CausalLm& model, const fs::path& scratch) {
  if (!model.lora()) return nullptr;
  make_folder(scratch);
  model.save(scratch);
  auto copy = std::make_unique<CausalLm>(model.config(), copy_of(model.weights()));
  copy->adapt(Lora::read(scratch, copy->config(), copy->weights()));
  fs::remove_all(scratch);
  copy->merge_adapters();
  return copy;
}

NamedTensors published(const CausalLm& model, bool tied_head) {
  NamedTensors tensors;
  if (model.lora()) {
    for (const Parameter& p : model.parameters()) tensors.emplace_back(p.name, p.tensor.detach());
    return tensors;
  }
  for (const NamedSlice& slice : named_slices(model.weights(), model.config())) tensors.emplace_back(slice.name, slice.slice.detach());
  if (tied_head && model.config().tie_word_embeddings) tensors.emplace_back("lm_head.weight", model.weights().embed.detach());
  return tensors;
}

std::string checksum_of(const NamedTensors& tensors) {
  WeightChecksum sum;
  for (const auto& [name, tensor] : tensors) {
    const at::Tensor bytes = tensor.cpu().contiguous();
    sum.add(name, {static_cast<const std::byte*>(bytes.const_data_ptr()), bytes.nbytes()});
  }
  return sum.text();
}

}  // namespace grpo::remote
