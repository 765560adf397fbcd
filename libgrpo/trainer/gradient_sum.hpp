/// Gradients summed over the ranks, in buckets, while the backward pass still computes the others; and which share of them, of the
/// parameters and of the optimizer's state each rank keeps.
///
///   zero_stage   gradients                                                        the optimizer's share   bytes a rank sends per step
///   0            buckets that all ranks sum; each gradient is a view of its own   everything              2 (n-1)/n of the gradients
///   1            likewise, but a rank gets the sum of its share alone             1/n                     (n-1)/n of gradients and of parameters
///   2            a bucket lives until it is summed, in every backward pass; then  1/n                     (n-1)/n of the gradients in each pass,
///                a rank has its share alone                                                               and (n-1)/n of the parameters
///   3            as in stage 2; parameters too, gathered layer by layer             1/n                     (n-1)/n of gradients and twice of
///                (sharded_weights.hpp); buckets are layers                                                parameters in each pass
///
/// Stages are those of Rajbhandari et al. 2020, "ZeRO: memory optimizations toward training trillion parameter models", section 5;
/// n ranks. A bucket's sum starts as soon as its last gradient is there, in stage 0 and 1 in the last backward pass of a step. Sums
/// start in the same order on all ranks. A parameter whose gradient is added by hand (tensor/embedding.hpp) never reports one; which
/// those are is agreed upon after the first pass, and their buckets go last.
#pragma once

#include "libgrpo/dist/world.hpp"
#include "libgrpo/policy/policy.hpp"
#include "libgrpo/trainer/parameter_shards.hpp"
#include "libgrpo/trainer/passes.hpp"
#include "libgrpo/trainer/sharded_weights.hpp"

#include <cstdint>
#include <memory>
#include <vector>

namespace grpo {

/// Per step: the optimizer's zero_grad(), begin() and the passes as accumulate_gradient() tells them, finish(), an optimizer step on own(), share_update().
class GradientSum final : public PassListener {
 public:
  /// Stage 0 and 1 give every parameter a gradient of zeros. `bucket_bytes`: a bucket ends when it holds so many
  GradientSum(World& world, std::vector<Parameter> parameters, std::int64_t bucket_bytes, std::int64_t zero_stage = 0);
  /// Stage 3. `weights` must outlive it
  GradientSum(World& world, ShardedWeights& weights);
  ~GradientSum() override;
  GradientSum(const GradientSum&) = delete;
  GradientSum& operator=(const GradientSum&) = delete;

  /// What this rank's optimizer updates: all parameters in stage 0, else its pieces of them, flat, with the gradients that finish() sums.
  [[nodiscard]] std::vector<Parameter> own() const;

  void begin(std::size_t passes) override;
  void before_backward(bool last) override;
  void after_backward() override;
  /// After the last backward pass, also on a rank that had none: the gradients of own() are sums over all ranks.
  /// throws: as World; Error{contract} if a parameter got two gradients in one pass
  void finish();

  /// After forward passes without gradients, of which ranks may have had different numbers.
  void after_forward_passes();

  /// The norm of all gradients, the same on every rank. `own`: that of own()
  [[nodiscard]] double norm(double own);
  /// After own() were updated: every rank has all parameters.
  void share_update();

  /// Buckets whose sum started while a backward pass was still running, of all that were summed. For measurements.
  struct Overlap {
    std::int64_t early = 0, all = 0;
    double waited = 0.0;  ///< seconds that passes waited for sums
  };
  [[nodiscard]] const Overlap& overlap() const { return overlap_; }

 private:
  class Hook;
  GradientSum(World& world, std::vector<Parameter> parameters, std::vector<FlatBucket> layout, std::int64_t zero_stage,
              ShardedWeights* weights);
  void watch(std::size_t parameter, const at::Tensor& leaf);
  struct Bucket {
    at::Tensor flat;   // gradients; in stage 2 undefined but for the time from the first of them to their sum
    at::Tensor share;  // f32, of the sums; undefined in stage 0
    std::size_t ready = 0;
    std::unique_ptr<Pending> pending = nullptr;
  };
  void completed(std::size_t parameter);
  void take(std::size_t parameter);
  void start_next(bool early);
  void end_round();
  void settle(std::size_t place);
  void skip_gathers();
  void learn_silent();
  [[nodiscard]] std::vector<bool> senders() const;

  World& world_;
  std::vector<Parameter> parameters_;
  const std::int64_t stage_;
  const std::vector<FlatBucket> layout_;
  ShardedWeights* const weights_;   // null: parameters are whole
  std::vector<at::Tensor> leaves_;  // [parameters], what autograd gives gradients to; in stage 3 undefined outside of passes
  std::vector<Bucket> buckets_;
  std::vector<std::size_t> bucket_of_;  // [parameters]
  std::vector<std::size_t> order_;      // in which buckets are sent
  std::vector<bool> reports_;           // [parameters], whether a backward pass ever completed it
  std::vector<bool> ready_;             // [parameters], in this pass
  std::vector<std::int64_t> passes_;    // [ranks], of this step
  std::int64_t round_ = 0;              // sums of all buckets done in this step
  std::size_t next_ = 0, settled_ = 0;  // in order_
  bool armed_ = false, learned_ = false;
  Overlap overlap_;
};

}  // namespace grpo
