/// A function of one tensor that a custom autograd function keeps for its backward pass. Private to tensor/.
#pragma once

#include "libgrpo/tensor/precompiled.hpp"

#include <functional>
#include <utility>

namespace grpo {

class KeptFunction : public torch::CustomClassHolder {
 public:
  using Map = std::function<at::Tensor(const at::Tensor&)>;
  explicit KeptFunction(Map f) : f_(std::move(f)) {}

  /// To and from what AutogradContext::saved_data holds.
  static c10::IValue keep(Map f) { return c10::IValue::make_capsule(c10::make_intrusive<KeptFunction>(std::move(f))); }
  static at::Tensor call(const c10::IValue& kept, const at::Tensor& x) {
    const auto capsule = kept.toCapsule();
    return static_cast<const KeptFunction&>(*capsule).f_(x);
  }

 private:
  Map f_;
};

}  // namespace grpo
