#include "libgrpo/trainer/sharded_weights.hpp"

#include "libgrpo/base/check.hpp"
#include "libgrpo/tensor/precompiled.hpp"

#include <utility>

namespace grpo {
namespace {

using Member = at::Tensor LayerWeights::*;

constexpr Member kMembers[] = {&LayerWeights::input_norm,
                               &LayerWeights::qkv,
                               &LayerWeights::qkv_bias,
                               &LayerWeights::q_norm,
                               &LayerWeights::k_norm,
                               &LayerWeights::o,
                               &LayerWeights::o_bias,
                               &LayerWeights::attention_output_norm,
                               &LayerWeights::post_attention_norm,
                               &LayerWeights::gate_up,
                               &LayerWeights::gate_up_bias,
                               &LayerWeights::down,
                               &LayerWeights::down_bias,
                               &LayerWeights::mlp_output_norm};

}  // namespace

ShardedWeights::ShardedWeights(World& world, const CausalLm& model)
    : world_(world),
      config_(model.config()),
      device_(model.device()),
      shapes_(Weights::allocate(config_, at::kMeta)),
      parameters_(CausalLm(config_, shapes_).parameters()),
      layout_(flat_buckets(parameters_, 0, world.size(), true)),
      layers_(config_.num_layers) {
  const at::NoGradGuard no_grad;
  const std::vector<Parameter> real = model.parameters();
  GRPO_CHECK(!model.lora() && real.size() == parameters_.size(), "all weights of the model are trained");
  GRPO_CHECK_EQ(static_cast<std::int64_t>(layout_.size()), layers_ + 1, "each layer has parameters, and something lies around them");
  for (FlatBucket& bucket : layout_) {
    bucket.device = device_;  // the parameters that it was made of are shapes alone
    shares_.push_back(at::zeros({bucket.share}, bucket.options()));
    for (const FlatPiece& piece : pieces_of(bucket, parameters_, world_.rank()))
      shares_.back()
          .narrow(0, piece.at, piece.count)
          .copy_(real[piece.parameter].tensor.detach().reshape({-1}).narrow(0, piece.first, piece.count));
  }
}

std::unique_ptr<CausalLm> ShardedWeights::model(const std::shared_ptr<ShardedWeights>& self) const {
  auto model = std::make_unique<CausalLm>(config_, shapes_);
  model->read_from(self);
  return model;
}

std::vector<Parameter> ShardedWeights::own(const std::vector<at::Tensor>& grads) const {
  std::vector<Parameter> own;
  for (std::size_t b = 0; b < layout_.size(); ++b)
    for (const FlatPiece& piece : pieces_of(layout_[b], parameters_, world_.rank())) {
      const Parameter& whole = parameters_[piece.parameter];
      own.push_back({piece_name(whole, piece), shares_[b].narrow(0, piece.at, piece.count), whole.decays});
      own.back().tensor.mutable_grad() = grads[b].narrow(0, piece.at, piece.count);
    }
  return own;
}

/// Step 0 is what lies around the layers, then come the layers up, then down.
std::size_t ShardedWeights::bucket_of(std::int64_t step) const {
  if (step == 0) return layout_.size() - 1;
  return static_cast<std::size_t>(step <= layers_ ? layers_ - step : step - layers_ - 1);
}

ShardedWeights::Ahead ShardedWeights::start(std::size_t bucket) {
  Ahead ahead{bucket, at::empty({layout_[bucket].numel}, shares_[bucket].options())};
  ahead.pending = world_.start_gather(ahead.whole, shares_[bucket]);
  return ahead;
}

/// The next bucket of the present pass. The one behind it is started if it surely follows: a forward half may be all there is.
at::Tensor ShardedWeights::next_gathered() {
  const std::int64_t step = done_++;
  GRPO_CHECK(step < steps(), "a pass asks for each layer once in each direction");
  Ahead now = ahead_ && ahead_->bucket == bucket_of(step) ? std::move(*ahead_) : start(bucket_of(step));
  ahead_.reset();
  now.pending->wait();
  if (step != layers_ && step + 1 < steps()) ahead_ = start(bucket_of(step + 1));
  return now.whole;
}

/// A bucket's parameters, as leaves where gradients are wanted.
std::vector<at::Tensor> ShardedWeights::leaves(std::size_t b, const at::Tensor& whole) {
  const FlatBucket& bucket = layout_[b];
  std::vector<at::Tensor> leaves;
  for (std::size_t k = 0; k < bucket.parameters.size(); ++k) {
    const at::Tensor& shape = parameters_[bucket.parameters[k]].tensor;
    leaves.push_back(whole.narrow(0, bucket.offsets[k], shape.numel()).view(shape.sizes()).detach());
    if (!at::GradMode::is_enabled()) continue;
    leaves.back().requires_grad_(true);
    if (told_) told_(bucket.parameters[k], leaves.back());
  }
  return leaves;
}

OuterWeights ShardedWeights::outer() {
  begin_pass();
  if (!at::GradMode::is_enabled()) ++passes_;
  const std::size_t b = bucket_of(0);
  const auto found = leaves(b, next_gathered());
  OuterWeights outer;
  for (std::size_t k = 0; k < found.size(); ++k) {
    const at::Tensor& shape = parameters_[layout_[b].parameters[k]].tensor;
    if (shape.is_same(shapes_.embed)) outer.embed = found[k];
    if (shape.is_same(shapes_.norm)) outer.norm = found[k];
    if (shape.is_same(shapes_.head)) outer.head = found[k];
  }
  return outer;
}

LayerWeights ShardedWeights::layer(std::int64_t index) {
  const std::size_t b = bucket_of(done_);
  GRPO_CHECK_EQ(static_cast<std::int64_t>(b), layers_ - 1 - index, "layers are asked for in order");
  const auto found = leaves(b, next_gathered());
  LayerWeights layer;
  for (std::size_t k = 0; k < found.size(); ++k)
    for (const Member member : kMembers)
      if ((shapes_.layers[static_cast<std::size_t>(index)].*member).is_same(parameters_[layout_[b].parameters[k]].tensor))
        layer.*member = found[k];
  return layer;
}

void ShardedWeights::skip() { static_cast<void>(next_gathered()); }

void ShardedWeights::level_forward_passes() {
  const auto counts = at::zeros({world_.size()}, at::kLong);
  counts.mutable_data_ptr<std::int64_t>()[world_.rank()] = std::exchange(passes_, 0);
  const std::int64_t mine = counts[world_.rank()].item<std::int64_t>();
  world_.sum(counts);
  for (std::int64_t pass = mine; pass < counts.max().item<std::int64_t>(); ++pass)
    for (begin_pass(); done_ < forward_steps();) skip();
}

std::unique_ptr<CausalLm> ShardedWeights::whole() {
  const at::NoGradGuard no_grad;
  auto model = std::make_unique<CausalLm>(config_, Weights::allocate(config_, device_));
  const std::vector<Parameter> real = model->parameters();
  for (std::size_t b = 0; b < layout_.size(); ++b) {
    const Ahead gathered = start(b);
    gathered.pending->wait();
    for (std::size_t k = 0; k < layout_[b].parameters.size(); ++k) {
      const at::Tensor& tensor = real[layout_[b].parameters[k]].tensor;
      tensor.view({-1}).copy_(gathered.whole.narrow(0, layout_[b].offsets[k], tensor.numel()));
    }
  }
  return model;
}

}  // namespace grpo
