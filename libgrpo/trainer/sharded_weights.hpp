/// Parameters divided among the ranks (zero_stage 3): each holds its share of every layer, and a pass gathers a layer as it comes to it.
///
/// A pass is the same sequence of gathers on every rank: what lies around the layers, layers 0, 1, ..., and with gradients layers ..., 1, 0
/// again. The next layer is on its way while one is computed, so two layers are whole at a time. A rank that has no tokens for a pass in
/// which others have some takes part in the gathers alone (skip()). Source: Rajbhandari et al. 2020, "ZeRO", section 5.3.
#pragma once

#include "libgrpo/dist/world.hpp"
#include "libgrpo/policy/causal_lm.hpp"
#include "libgrpo/trainer/flat_layout.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace grpo {

/// throws, all members that gather: as World
class ShardedWeights final : public WeightSource {
 public:
  /// Copies this rank's shares out of a model without adapters, which may go then. They lie where its weights do.
  ShardedWeights(World& world, const CausalLm& model);

  OuterWeights outer() override;
  LayerWeights layer(std::int64_t index) override;

  /// The model to train: it has shapes alone, and computes with these weights, which must outlive it.
  [[nodiscard]] std::unique_ptr<CausalLm> model(const std::shared_ptr<ShardedWeights>& self) const;
  /// The whole model in memory of its own: for sampling and saving. All ranks call it together. cost: all weights, while it lives
  [[nodiscard]] std::unique_ptr<CausalLm> whole();

  /// Those of model(): shapes alone.
  [[nodiscard]] const std::vector<Parameter>& parameters() const { return parameters_; }
  /// Buckets of layers, the last layer first; last what lies around them.
  [[nodiscard]] const std::vector<FlatBucket>& layout() const { return layout_; }
  /// This rank's pieces, flat, with gradients that are pieces of grads[bucket].
  [[nodiscard]] std::vector<Parameter> own(const std::vector<at::Tensor>& grads) const;

  /// Told of every parameter that a pass with gradients is given, as the leaf whose gradient that pass computes.
  void on_leaf(std::function<void(std::size_t parameter, const at::Tensor& leaf)> told) { told_ = std::move(told); }
  /// Gathers of a pass: of its forward half, and of all of it.
  [[nodiscard]] std::int64_t forward_steps() const { return 1 + layers_; }
  [[nodiscard]] std::int64_t steps() const { return 1 + 2 * layers_; }
  /// Gathers done in the present pass.
  [[nodiscard]] std::int64_t done() const { return done_; }
  void begin_pass() { done_ = 0; }
  /// Takes part in the next gather, and does nothing with it.
  void skip();
  /// After forward passes, of which this rank may have had fewer than others: takes part in the others'.
  void level_forward_passes();

 private:
  struct Ahead {
    std::size_t bucket = 0;
    at::Tensor whole = {};
    std::unique_ptr<Pending> pending = nullptr;
  };
  [[nodiscard]] std::size_t bucket_of(std::int64_t step) const;
  [[nodiscard]] Ahead start(std::size_t bucket);
  [[nodiscard]] at::Tensor next_gathered();
  [[nodiscard]] std::vector<at::Tensor> leaves(std::size_t bucket, const at::Tensor& whole);

  World& world_;
  ModelConfig config_;
  at::Device device_;
  Weights shapes_;
  std::vector<Parameter> parameters_;
  std::vector<FlatBucket> layout_;
  std::vector<at::Tensor> shares_;  // [buckets], in the weights' type
  std::int64_t layers_ = 0;
  std::int64_t done_ = 0;    // gathers of the present pass
  std::int64_t passes_ = 0;  // without gradients, since they were levelled
  std::optional<Ahead> ahead_;
  std::function<void(std::size_t, const at::Tensor&)> told_;
};

}  // namespace grpo
