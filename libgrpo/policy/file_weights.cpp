#include "libgrpo/policy/file_weights.hpp"

#include "libgrpo/policy/weights_read.hpp"
#include "libgrpo/tensor/precompiled.hpp"

namespace grpo {
namespace {

/// Room for one layer, which stands for all of them; the rest are shapes.
Weights one_layer_for_all(ModelConfig config) {
  Weights room = Weights::allocate(config, at::kMeta);
  config.num_layers = 1;
  config.vocab_size = 0;
  room.layers.assign(room.layers.size(), Weights::allocate(config).layers.front());
  return room;
}

}  // namespace

FileWeights::FileWeights(const std::filesystem::path& model, const ModelConfig& config)
    : room_(one_layer_for_all(config)), slices_(named_slices(room_, config)), of_layer_(room_.layers.size()) {
  for (std::size_t i = 0; i < slices_.size(); ++i)
    if (slices_[i].layer >= 0) of_layer_[static_cast<std::size_t>(slices_[i].layer)].push_back(i);
  file_ = open_weights(model, slices_);
}

FileWeights::~FileWeights() = default;

std::uint64_t FileWeights::stored_bytes() const { return file_->stored_bytes(); }

OuterWeights FileWeights::outer() {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> read;  // embed, norm, and a head of its own, in the order of named_slices()
  for (std::size_t i = 0; i < slices_.size(); ++i) {
    const at::Tensor& shape = slices_[i].slice;
    if (slices_[i].layer >= 0) continue;
    read.push_back(at::empty(shape.sizes(), at::TensorOptions().dtype(shape.scalar_type())));
    file_->read(i, read.back());
  }
  return {read[0], read[1], read.size() > 2 ? read[2] : read[0]};
}

LayerWeights FileWeights::layer(std::int64_t index) {
  const at::NoGradGuard no_grad;
  for (const std::size_t i : of_layer_[static_cast<std::size_t>(index)]) file_->read(i, slices_[i].slice);
  return room_.layers.front();
}

}  // namespace grpo
