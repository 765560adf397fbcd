#include "libgrpo/trainer/gradient_sum.hpp"

#include "libgrpo/base/check.hpp"
#include "libgrpo/base/clock.hpp"
#include "libgrpo/tensor/precompiled.hpp"

#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <algorithm>
#include <cmath>

namespace grpo {

/// Sums of shares under way at a time. The first must have come before a third starts, so that the memory of what comes is bounded.
constexpr std::size_t kUnderWay = 2;

class GradientSum::Hook final : public torch::autograd::PostAccumulateGradHook {
 public:
  Hook(GradientSum& sum, std::size_t parameter) : sum_(sum), parameter_(parameter) {}
  void operator()(const torch::autograd::Variable& /*tensor*/) override { sum_.completed(parameter_); }

 private:
  GradientSum& sum_;
  std::size_t parameter_;
};

GradientSum::GradientSum(World& world, std::vector<Parameter> parameters, std::int64_t bucket_bytes, std::int64_t zero_stage)
    : GradientSum(world, parameters, flat_buckets(parameters, bucket_bytes, world.size()), zero_stage, nullptr) {
  GRPO_CHECK(zero_stage >= 0 && zero_stage <= 2, "stage 3 has its weights in shares");
}

GradientSum::GradientSum(World& world, ShardedWeights& weights) : GradientSum(world, weights.parameters(), weights.layout(), 3, &weights) {
  weights.on_leaf([this](std::size_t parameter, const at::Tensor& leaf) { watch(parameter, leaf); });
}

GradientSum::GradientSum(World& world, std::vector<Parameter> parameters, std::vector<FlatBucket> layout, std::int64_t zero_stage,
                         ShardedWeights* weights)
    : world_(world),
      parameters_(std::move(parameters)),
      stage_(zero_stage),
      layout_(std::move(layout)),
      weights_(weights),
      leaves_(parameters_.size()),
      bucket_of_(parameters_.size()),
      reports_(parameters_.size()),
      ready_(parameters_.size()),
      passes_(static_cast<std::size_t>(world.size())) {
  for (std::size_t i = 0; weights_ == nullptr && i < parameters_.size(); ++i) watch(i, parameters_[i].tensor);
  for (const FlatBucket& of : layout_) {
    order_.push_back(buckets_.size());
    for (const std::size_t i : of.parameters) bucket_of_[i] = buckets_.size();
    Bucket& bucket = buckets_.emplace_back();
    if (stage_ > 0) bucket.share = at::zeros({of.share}, of.options().dtype(at::kFloat));
    if (stage_ > 1) continue;
    bucket.flat = at::zeros({of.numel}, of.options());
    for (std::size_t k = 0; k < of.parameters.size(); ++k) {
      const at::Tensor& tensor = parameters_[of.parameters[k]].tensor;
      tensor.mutable_grad() = bucket.flat.narrow(0, of.offsets[k], tensor.numel()).view(tensor.sizes());
    }
  }
}

GradientSum::~GradientSum() {
  if (weights_ != nullptr) weights_->on_leaf({});
  for (const at::Tensor& leaf : leaves_)
    if (leaf.defined()) torch::autograd::impl::set_post_acc_grad_hooks(leaf, nullptr);
}

/// Gradients of a parameter are those of `leaf` from now on.
void GradientSum::watch(std::size_t parameter, const at::Tensor& leaf) {
  leaves_[parameter] = leaf;
  torch::autograd::impl::set_post_acc_grad_hooks(leaf, std::make_unique<Hook>(*this, parameter));
}

std::vector<Parameter> GradientSum::own() const {
  if (stage_ == 0) return parameters_;
  std::vector<at::Tensor> shares;
  for (const Bucket& bucket : buckets_) shares.push_back(bucket.share);
  return weights_ != nullptr ? weights_->own(shares) : own_pieces(parameters_, layout_, world_.rank(), shares);
}

/// A rank without a pass sends nothing in a round in which others have one, so each knows how many the others have.
void GradientSum::begin(std::size_t passes) {
  overlap_ = {};
  round_ = 0;
  if (stage_ == 0) return;
  for (const Bucket& bucket : buckets_)
    if (bucket.flat.defined()) bucket.flat.zero_();
  const auto counts = at::zeros({world_.size()}, at::kLong);
  auto* count = counts.mutable_data_ptr<std::int64_t>();
  count[world_.rank()] = static_cast<std::int64_t>(passes);
  world_.sum(counts);
  std::copy_n(count, passes_.size(), passes_.begin());
}

void GradientSum::before_backward(bool last) { armed_ = stage_ > 1 || last; }

void GradientSum::completed(std::size_t parameter) {
  reports_[parameter] = true;
  if (stage_ > 1) take(parameter);
  if (!armed_) return;
  GRPO_CHECK(!ready_[parameter], parameters_[parameter].name + " got two gradients in one backward pass; its sum may be on its way");
  ready_[parameter] = true;
  ++buckets_[bucket_of_[parameter]].ready;
  while (next_ < order_.size() && buckets_[order_[next_]].ready == layout_[order_[next_]].parameters.size()) start_next(true);
}

/// Moves a gradient into its bucket. Where it is all there is, it becomes the bucket.
void GradientSum::take(std::size_t i) {
  if (!leaves_[i].defined()) return;
  const at::Tensor leaf = leaves_[i];
  if (weights_ != nullptr) leaves_[i].reset();  // the gathered weights go with it
  auto& grad = leaf.mutable_grad();
  if (!grad.defined()) return;
  const at::NoGradGuard no_grad;
  Bucket& bucket = buckets_[bucket_of_[i]];
  const FlatBucket& of = layout_[bucket_of_[i]];
  if (of.parameters.size() == 1 && of.numel == grad.numel() && grad.is_contiguous()) {
    bucket.flat = grad.view({-1});
  } else {
    if (!bucket.flat.defined()) bucket.flat = at::zeros({of.numel}, grad.options());
    const auto k = std::find(of.parameters.begin(), of.parameters.end(), i) - of.parameters.begin();
    bucket.flat.narrow(0, of.offsets[static_cast<std::size_t>(k)], grad.numel()).copy_(grad.reshape({-1}));
  }
  grad.reset();
}

std::vector<bool> GradientSum::senders() const {
  std::vector<bool> senders;
  for (const std::int64_t passes : passes_) senders.push_back(stage_ == 0 || passes > round_);
  return senders;
}

void GradientSum::start_next(bool early) {
  const std::size_t b = order_[next_++];
  Bucket& bucket = buckets_[b];
  const auto from = senders();
  const bool sends = from[static_cast<std::size_t>(world_.rank())];
  if (stage_ > 0 && next_ - settled_ > kUnderWay) settle(settled_);
  if (stage_ == 0) {
    bucket.pending = world_.start_sum(bucket.flat);
  } else {
    if (sends && !bucket.flat.defined()) bucket.flat = at::zeros({layout_[b].numel}, layout_[b].options());
    const auto values = sends ? bucket.flat : at::empty({0}, layout_[b].options());
    bucket.pending = world_.start_sum_shares(values, bucket.share, from);
  }
  ++overlap_.all;
  overlap_.early += early ? 1 : 0;
}

/// Waits for the sum at a place of the order.
void GradientSum::settle(std::size_t place) {
  const Stopwatch watch;
  Bucket& bucket = buckets_[order_[place]];
  bucket.pending->wait();
  bucket.pending.reset();
  bucket.ready = 0;
  if (stage_ > 1) bucket.flat.reset();
  settled_ = place + 1;
  overlap_.waited += watch.seconds();
}

/// Sends what is left, and waits for all.
void GradientSum::end_round() {
  if (stage_ > 1)
    for (std::size_t i = 0; i < parameters_.size(); ++i) take(i);  // those that never report
  while (next_ < order_.size()) start_next(false);
  while (settled_ < order_.size()) settle(settled_);
  next_ = settled_ = 0;
  ++round_;
  armed_ = false;
  std::fill(ready_.begin(), ready_.end(), false);
  if (!learned_) learn_silent();
}

/// Takes part in what is left of the other ranks' pass: their gathers, and a layer's sum behind its second gather, as they do it.
void GradientSum::skip_gathers() {
  while (weights_->done() < weights_->steps()) {
    weights_->skip();
    if (weights_->done() > weights_->forward_steps() && next_ + 1 < order_.size()) start_next(false);
  }
}

void GradientSum::after_backward() {
  if (weights_ != nullptr) skip_gathers();  // of a pass that had no gradient
  if (stage_ > 1) end_round();
}

void GradientSum::finish() {
  const std::int64_t most = *std::max_element(passes_.begin(), passes_.end());
  const std::int64_t rounds = stage_ > 1 ? most : stage_ == 1 ? std::min<std::int64_t>(most, 1) : 1;
  while (round_ < rounds) {
    if (weights_ != nullptr) weights_->begin_pass();
    if (weights_ != nullptr) skip_gathers();
    end_round();
  }
}

void GradientSum::after_forward_passes() {
  if (weights_ != nullptr) weights_->level_forward_passes();
}

/// A bucket that is never complete before the end would hold up those behind it: it goes last.
void GradientSum::learn_silent() {
  const auto reports = at::zeros({static_cast<std::int64_t>(parameters_.size())}, at::kFloat);
  for (std::size_t i = 0; i < parameters_.size(); ++i) reports.data_ptr<float>()[i] = reports_[i] ? 1.0F : 0.0F;
  world_.sum(reports);
  if (reports.max().item<float>() == 0.0F) return;  // no rank had anything to learn from
  learned_ = true;
  std::stable_partition(order_.begin(), order_.end(), [&](std::size_t b) {
    const auto& inside = layout_[b].parameters;
    return std::all_of(inside.begin(), inside.end(), [&](std::size_t i) { return reports.const_data_ptr<float>()[i] > 0.0F; });
  });
}

double GradientSum::norm(double own) {
  // In stage 0 that of rank 0, lest a last bit decides otherwise on another machine.
  const auto squares = at::full({1}, stage_ > 0 ? own * own : world_.leads() ? own : 0.0, at::kDouble);
  world_.sum(squares);
  return stage_ > 0 ? std::sqrt(squares.item<double>()) : squares.item<double>();
}

void GradientSum::share_update() {
  if (stage_ == 1 || stage_ == 2) gather_parameters(world_, parameters_, layout_);
}

}  // namespace grpo
