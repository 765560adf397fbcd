#include "libgrpo/trainer/adamw.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/base/random.hpp"
#include "libgrpo/tensor/precompiled.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

namespace grpo {

namespace {

/// Mixes all bits (the finaliser of splitmix64: Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators", figure 17).
std::uint64_t mixed(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

/// mixed() of int64 numbers, whose shifts bring in copies of the sign: they are cut off.
at::Tensor mixed(at::Tensor x) {
  const auto shifted = [&](std::int64_t by) { return at::bitwise_and(at::bitwise_right_shift(x, by), (std::int64_t{1} << (64 - by)) - 1); };
  x = at::bitwise_xor(x, shifted(30)) * static_cast<std::int64_t>(0xBF58476D1CE4E5B9ULL);
  x = at::bitwise_xor(x, shifted(27)) * static_cast<std::int64_t>(0x94D049BB133111EBULL);
  return at::bitwise_xor(x, shifted(31));
}

/// round_at_random() by tensor operations, on any device, to the same bits.
void round_by_tensors(const at::Tensor& to, const at::Tensor& from, std::uint64_t key) {
  const std::int64_t count = from.numel();
  const auto fours = at::arange((count + 3) / 4, to.options().dtype(at::kLong));
  const auto bits = mixed(fours * static_cast<std::int64_t>(0x9E3779B97F4A7C15ULL) + static_cast<std::int64_t>(key));
  std::vector<at::Tensor> quarters;
  for (const std::int64_t by : {0, 16, 32, 48}) quarters.push_back(at::bitwise_and(at::bitwise_right_shift(bits, by), 0xFFFF));
  const auto chances = at::stack(quarters, 1).view({-1}).narrow(0, 0, count).to(at::kInt);
  const auto upper = at::bitwise_and(at::bitwise_right_shift(from.view({-1}).view(at::kInt) + chances, 16), 0xFFFF);
  to.view({-1}).copy_(upper.to(at::kShort).view(at::kBFloat16));
}

/// to = from, each rounded to one of its two neighbours; the nearer is the likelier. shape: both [n] contiguous, from f32, to bf16
void round_at_random(const at::Tensor& to, const at::Tensor& from, std::uint64_t key) {
  if (!to.device().is_cpu()) return round_by_tensors(to, from, key);
  const auto* source = reinterpret_cast<const std::uint32_t*>(from.const_data_ptr<float>());
  auto* target = reinterpret_cast<std::uint16_t*>(to.mutable_data_ptr<at::BFloat16>());
  const std::int64_t count = from.numel();
  at::parallel_for(0, (count + 3) / 4, 4096, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t four = begin; four < end; ++four) {
      std::uint64_t bits = mixed(key + static_cast<std::uint64_t>(four) * 0x9E3779B97F4A7C15ULL);
      for (std::int64_t i = 4 * four; i < std::min(count, 4 * four + 4); ++i, bits >>= 16)
        target[i] = static_cast<std::uint16_t>((source[i] + static_cast<std::uint32_t>(bits & 0xFFFF)) >> 16);
    }
  });
}

}  // namespace

AdamW::AdamW(std::vector<Parameter> parameters, AdamWOptions options) : parameters_(std::move(parameters)), options_(options) {}

void AdamW::allocate() {
  if (!exp_avg_.empty()) return;
  const at::NoGradGuard no_grad;
  for (const Parameter& p : parameters_) {
    masters_.push_back(p.tensor.detach().to(at::kFloat));
    exp_avg_.push_back(at::zeros_like(masters_.back(), options_.moments));
    exp_avg_sq_.push_back(at::zeros_like(masters_.back(), options_.moments));
  }
}

double AdamW::grad_norm() const {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> norms;
  for (const Parameter& p : parameters_)
    if (p.tensor.grad().defined()) norms.push_back(at::linalg_vector_norm(p.tensor.grad(), 2.0).to(at::kDouble));
  if (norms.empty()) return 0.0;
  const auto all = at::stack(norms).to(at::kCPU);  // a device is waited for once
  double sum = 0.0;
  for (std::int64_t i = 0; i < all.numel(); ++i) sum += all.const_data_ptr<double>()[i] * all.const_data_ptr<double>()[i];
  return std::sqrt(sum);
}

void AdamW::scale_grads(double factor) {
  const at::NoGradGuard no_grad;
  for (const Parameter& p : parameters_)
    if (p.tensor.grad().defined()) p.tensor.mutable_grad().mul_(factor);
}

void AdamW::zero_grad() {
  for (const Parameter& p : parameters_) {
    auto& grad = p.tensor.mutable_grad();
    if (grad.defined()) grad.zero_();
  }
}

void AdamW::step(double learning_rate) {
  for (const auto& wait : std::exchange(readers_, {})) wait();
  const at::NoGradGuard no_grad;
  allocate();
  ++steps_;
  for (std::size_t i = 0; options_.moments != at::kFloat && i < parameters_.size(); ++i) update_narrow(i, learning_rate);
  for (const bool decays : {true, false}) {
    if (options_.moments != at::kFloat) break;
    std::vector<at::Tensor> values, grads, averages, squares, counts;
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      const Parameter& p = parameters_[i];
      if (p.decays != decays) continue;
      values.push_back(masters_[i]);
      grads.push_back(p.tensor.grad().defined() ? p.tensor.grad().to(at::kFloat) : at::zeros_like(masters_[i]));
      averages.push_back(exp_avg_[i]);
      squares.push_back(exp_avg_sq_[i]);
      counts.push_back(at::full({}, static_cast<double>(steps_), masters_[i].options()));
    }
    if (values.empty()) continue;
    at::_fused_adamw_(values, grads, averages, squares, {}, counts, learning_rate, options_.beta1, options_.beta2,
                      decays ? options_.weight_decay : 0.0, options_.epsilon, /*amsgrad=*/false, /*maximize=*/false);
  }
  write_back();
}

/// One parameter whose moments are held in bfloat16.
void AdamW::update_narrow(std::size_t i, double learning_rate) {
  const Parameter& p = parameters_[i];
  const auto average = exp_avg_[i].to(at::kFloat), square = exp_avg_sq_[i].to(at::kFloat);
  const auto grad = p.tensor.grad().defined() ? p.tensor.grad().to(at::kFloat) : at::zeros_like(masters_[i]);
  at::_fused_adamw_({masters_[i]}, {grad}, {average}, {square}, {}, {at::full({}, static_cast<double>(steps_), masters_[i].options())},
                    learning_rate, options_.beta1, options_.beta2, p.decays ? options_.weight_decay : 0.0, options_.epsilon,
                    /*amsgrad=*/false,
                    /*maximize=*/false);
  const std::uint64_t key = derive_seed(fnv1a(p.name), static_cast<std::uint64_t>(steps_));
  round_at_random(exp_avg_[i], average, mixed(key));
  round_at_random(exp_avg_sq_[i], square, mixed(key + 1));
}

bool AdamW::has_master(std::size_t i) const { return parameters_[i].tensor.scalar_type() != at::kFloat; }

/// Parameters become their masters, rounded.
void AdamW::write_back() {
  for (std::size_t i = 0; i < parameters_.size(); ++i)
    if (has_master(i)) parameters_[i].tensor.detach().copy_(masters_[i]);
}

std::vector<std::pair<std::string, at::Tensor>> AdamW::state() const {
  std::vector<std::pair<std::string, at::Tensor>> named;
  for (std::size_t i = 0; i < exp_avg_.size(); ++i) {
    named.emplace_back("exp_avg." + parameters_[i].name, exp_avg_[i]);
    named.emplace_back("exp_avg_sq." + parameters_[i].name, exp_avg_sq_[i]);
    if (has_master(i)) named.emplace_back("master." + parameters_[i].name, masters_[i]);
  }
  return named;
}

std::vector<std::pair<std::string, std::int64_t>> AdamW::wants() const {
  std::vector<std::pair<std::string, std::int64_t>> wants;
  for (std::size_t i = 0; i < parameters_.size(); ++i)
    for (const char* prefix : {"exp_avg.", "exp_avg_sq.", "master."})
      if (prefix != std::string_view("master.") || has_master(i))
        wants.emplace_back(prefix + parameters_[i].name, parameters_[i].tensor.numel());
  return wants;
}

void AdamW::restore(const std::vector<std::pair<std::string, at::Tensor>>& state, std::int64_t steps) {
  steps_ = steps;
  if (state.empty() && steps == 0) return;
  allocate();
  const std::map<std::string, at::Tensor> by_name(state.begin(), state.end());
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    std::vector<std::pair<const char*, at::Tensor>> wanted{{"exp_avg.", exp_avg_[i]}, {"exp_avg_sq.", exp_avg_sq_[i]}};
    if (has_master(i)) wanted.emplace_back("master.", masters_[i]);
    for (const auto& [prefix, to] : wanted) {
      const auto found = by_name.find(prefix + parameters_[i].name);
      const bool flat = found != by_name.end() && (found->second.dim() == 1 || to.dim() == 1);  // of shares, or into one
      if (found == by_name.end() || (flat ? found->second.numel() != to.numel() : found->second.sizes() != to.sizes()))
        throw Error(ErrorKind::data, "optimizer state does not fit the model: " + std::string(prefix) + parameters_[i].name +
                                         " is missing or has another shape; was the checkpoint made with another model?");
      to.copy_(found->second.reshape(to.sizes()));
    }
  }
  write_back();
}

}  // namespace grpo
