#include "libgrpo/trainer/gradient_sum.hpp"

#include "libgrpo/base/check.hpp"
#include "libgrpo/tensor/precompiled.hpp"

#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <algorithm>

namespace grpo {

class GradientSum::Hook final : public torch::autograd::PostAccumulateGradHook {
 public:
  Hook(GradientSum& sum, std::size_t parameter) : sum_(sum), parameter_(parameter) {}
  void operator()(const torch::autograd::Variable& /*tensor*/) override { sum_.completed(parameter_); }

 private:
  GradientSum& sum_;
  std::size_t parameter_;
};

GradientSum::GradientSum(World& world, std::vector<Parameter> parameters, std::int64_t bucket_bytes)
    : world_(world), parameters_(std::move(parameters)), bucket_of_(parameters_.size()), reports_(parameters_.size()), ready_(parameters_.size()) {
  std::int64_t bytes = bucket_bytes;  // of the open bucket; none is open yet
  for (std::size_t i = parameters_.size(); i-- > 0;) {
    const at::Tensor& tensor = parameters_[i].tensor;
    const bool fits = !buckets_.empty() && bytes < bucket_bytes &&
                      parameters_[buckets_.back().parameters.front()].tensor.scalar_type() == tensor.scalar_type();
    if (!fits) {
      buckets_.emplace_back();
      bytes = 0;
    }
    buckets_.back().parameters.push_back(i);
    bucket_of_[i] = buckets_.size() - 1;
    bytes += static_cast<std::int64_t>(tensor.nbytes());
    torch::autograd::impl::set_post_acc_grad_hooks(tensor, std::make_unique<Hook>(*this, i));
  }
  for (std::size_t b = 0; b < buckets_.size(); ++b) {
    Bucket& bucket = buckets_[b];
    order_.push_back(b);
    std::int64_t floats = 0, at = 0;
    for (const std::size_t i : bucket.parameters) floats += parameters_[i].tensor.numel();
    bucket.flat = at::zeros({floats}, parameters_[bucket.parameters.front()].tensor.detach().options());
    for (const std::size_t i : bucket.parameters) {
      const at::Tensor& tensor = parameters_[i].tensor;
      tensor.mutable_grad() = bucket.flat.narrow(0, at, tensor.numel()).view(tensor.sizes());
      at += tensor.numel();
    }
  }
}

GradientSum::~GradientSum() {
  for (const Parameter& p : parameters_) torch::autograd::impl::set_post_acc_grad_hooks(p.tensor, nullptr);
}

void GradientSum::completed(std::size_t parameter) {
  reports_[parameter] = true;
  if (!armed_) return;
  GRPO_CHECK(!ready_[parameter], parameters_[parameter].name + " got two gradients in one backward pass; its sum may be on its way");
  ready_[parameter] = true;
  ++buckets_[bucket_of_[parameter]].ready;
  while (next_ < order_.size() && buckets_[order_[next_]].ready == buckets_[order_[next_]].parameters.size()) start_next();
}

void GradientSum::start_next() {
  Bucket& bucket = buckets_[order_[next_++]];
  bucket.pending = world_.start_sum(bucket.flat);
}

void GradientSum::finish() {
  while (next_ < order_.size()) start_next();
  for (Bucket& bucket : buckets_) {
    bucket.pending->wait();
    bucket.pending.reset();
    bucket.ready = 0;
  }
  next_ = 0;
  armed_ = false;
  std::fill(ready_.begin(), ready_.end(), false);
  if (!learned_) learn_silent();
}

/// A bucket that is never complete before finish() would hold up those behind it: it goes last.
void GradientSum::learn_silent() {
  const auto reports = at::zeros({static_cast<std::int64_t>(parameters_.size())}, at::kFloat);
  for (std::size_t i = 0; i < parameters_.size(); ++i) reports.data_ptr<float>()[i] = reports_[i] ? 1.0F : 0.0F;
  world_.sum(reports);
  if (reports.max().item<float>() == 0.0F) return;  // no rank had anything to learn from
  learned_ = true;
  std::stable_partition(order_.begin(), order_.end(), [&](std::size_t b) {
    const auto& inside = buckets_[b].parameters;
    return std::all_of(inside.begin(), inside.end(), [&](std::size_t i) { return reports.const_data_ptr<float>()[i] > 0.0F; });
  });
}

}  // namespace grpo
