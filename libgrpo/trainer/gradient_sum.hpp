/// Gradients summed over the ranks, in buckets, while the backward pass still computes the others.
///
/// Parameters lie in buckets in the reverse of their order, which is about the order in which a backward pass completes them
/// (Li et al. 2020, "PyTorch Distributed", section 3.2.3), and each gradient is a view into its bucket, so nothing is copied. In the
/// last backward pass of a step a bucket's sum starts as soon as its last gradient is there. Sums start in the same order on all
/// ranks. A parameter whose gradient is added by hand (tensor/embedding.hpp) never reports one; which those are is agreed upon after
/// the first step, and their buckets go last.
#pragma once

#include "libgrpo/dist/world.hpp"
#include "libgrpo/policy/policy.hpp"

#include <cstdint>
#include <memory>
#include <vector>

namespace grpo {

class GradientSum {
 public:
  /// Gives every parameter a gradient of zeros. `bucket_bytes`: a bucket ends when it holds so many
  GradientSum(World& world, std::vector<Parameter> parameters, std::int64_t bucket_bytes);
  ~GradientSum();
  GradientSum(const GradientSum&) = delete;
  GradientSum& operator=(const GradientSum&) = delete;

  /// The next backward pass is this rank's last: what it completes may be sent.
  void before_last_pass() { armed_ = true; }
  /// After the last backward pass, also on a rank that had none: gradients are those of all ranks.
  /// throws: as World; Error{contract} if a parameter got two gradients in the last pass
  void finish();

 private:
  class Hook;
  struct Bucket {
    at::Tensor flat;
    std::vector<std::size_t> parameters;
    std::size_t ready = 0;
    std::unique_ptr<Pending> pending = nullptr;
  };
  void completed(std::size_t parameter);
  void start_next();
  void learn_silent();

  World& world_;
  std::vector<Parameter> parameters_;
  std::vector<Bucket> buckets_;
  std::vector<std::size_t> bucket_of_;  // [parameters]
  std::vector<std::size_t> order_;      // in which buckets are sent
  std::vector<bool> reports_;           // [parameters], whether a backward pass ever completed it
  std::vector<bool> ready_;             // [parameters], in this pass
  std::size_t next_ = 0;                // in order_
  bool armed_ = false, learned_ = false;
};

}  // namespace grpo
