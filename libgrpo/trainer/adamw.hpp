/// AdamW over a policy's parameters (Loshchilov & Hutter 2019, algorithm 2), by libtorch's fused kernel.
///
/// A parameter held in half precision has a float32 master copy here: the update goes to the master, and the parameter is the
/// master rounded (Micikevicius et al. 2018, "Mixed precision training", section 3.1).
#pragma once

#include "libgrpo/policy/policy.hpp"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace grpo {

struct AdamWOptions {
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  double weight_decay = 0.0;            ///< applied to parameters that decay
  at::ScalarType moments = at::kFloat;  ///< or at::kBFloat16
};

/// Masters are float32; they and the moments are allocated at the first step. Moments in bfloat16 are float32 for the length of one
/// parameter's update, and then rounded up or down at random, with the chances that leave the mean as it is: the second moment moves by
/// a thousandth of itself in a step, and rounding to the nearest would hold it still (Gupta et al. 2015, "Deep learning with limited
/// numerical precision", section 2.1). The draws follow from the parameter's name, the step and the element.
/// thread: one caller at a time
class AdamW {
 public:
  AdamW(std::vector<Parameter> parameters, AdamWOptions options);

  /// L2 norm over all gradients, missing ones counting 0. cost: one pass over the gradients
  [[nodiscard]] double grad_norm() const;
  /// Multiplies all gradients.
  void scale_grads(double factor);
  void zero_grad();
  /// One update with the gradients at hand; a parameter without a gradient has one of zero, so momentum and decay go on. cost: memory-bound
  void step(double learning_rate);
  [[nodiscard]] std::int64_t steps() const { return steps_; }
  [[nodiscard]] const std::vector<Parameter>& parameters() const { return parameters_; }

  /// Somebody goes on reading parameters and state beside the training thread: the next step() calls `wait` before it changes any.
  void wait_for_reader(std::function<void()> wait) { readers_.push_back(std::move(wait)); }

  /// Moments and masters by name, for checkpoints; restore() takes what state() gave.
  [[nodiscard]] std::vector<std::pair<std::string, at::Tensor>> state() const;
  /// What restore() wants: names and numbers of elements.
  [[nodiscard]] std::vector<std::pair<std::string, std::int64_t>> wants() const;
  /// Values of another type are rounded to the nearest. throws: Error{data} if a tensor is missing or has another shape
  void restore(const std::vector<std::pair<std::string, at::Tensor>>& state, std::int64_t steps);

 private:
  void allocate();
  [[nodiscard]] bool has_master(std::size_t parameter) const;
  void update_narrow(std::size_t parameter, double learning_rate);
  void write_back();
  std::vector<Parameter> parameters_;
  AdamWOptions options_;
  std::vector<at::Tensor> masters_;  // the parameter itself where it is float32
  std::vector<at::Tensor> exp_avg_, exp_avg_sq_;
  std::vector<std::function<void()>> readers_;
  std::int64_t steps_ = 0;
};

}  // namespace grpo
