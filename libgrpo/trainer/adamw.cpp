#include "libgrpo/trainer/adamw.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/tensor/precompiled.hpp"

#include <cmath>
#include <map>

namespace grpo {

AdamW::AdamW(std::vector<Parameter> parameters, AdamWOptions options)
    : parameters_(std::move(parameters)), options_(options) {}

void AdamW::allocate() {
  if (!exp_avg_.empty()) return;
  for (const Parameter& p : parameters_) {
    exp_avg_.push_back(at::zeros_like(p.tensor));
    exp_avg_sq_.push_back(at::zeros_like(p.tensor));
  }
}

double AdamW::grad_norm() const {
  const at::NoGradGuard no_grad;
  double sum = 0.0;
  for (const Parameter& p : parameters_) {
    if (!p.tensor.grad().defined()) continue;
    const double norm = at::linalg_vector_norm(p.tensor.grad(), 2.0).item<double>();
    sum += norm * norm;
  }
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
  const at::NoGradGuard no_grad;
  allocate();
  ++steps_;
  for (const bool decays : {true, false}) {
    std::vector<at::Tensor> values, grads, averages, squares, counts;
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      const Parameter& p = parameters_[i];
      if (p.decays != decays) continue;
      values.push_back(p.tensor.detach());
      grads.push_back(p.tensor.grad().defined() ? p.tensor.grad() : at::zeros_like(p.tensor));
      averages.push_back(exp_avg_[i]);
      squares.push_back(exp_avg_sq_[i]);
      counts.push_back(at::full({}, static_cast<double>(steps_), at::kFloat));
    }
    if (values.empty()) continue;
    at::_fused_adamw_(values, grads, averages, squares, {}, counts, learning_rate, options_.beta1, options_.beta2,
                      decays ? options_.weight_decay : 0.0, options_.epsilon, /*amsgrad=*/false, /*maximize=*/false);
  }
}

std::vector<std::pair<std::string, at::Tensor>> AdamW::state() const {
  std::vector<std::pair<std::string, at::Tensor>> named;
  for (std::size_t i = 0; i < exp_avg_.size(); ++i) {
    named.emplace_back("exp_avg." + parameters_[i].name, exp_avg_[i]);
    named.emplace_back("exp_avg_sq." + parameters_[i].name, exp_avg_sq_[i]);
  }
  return named;
}

void AdamW::restore(const std::vector<std::pair<std::string, at::Tensor>>& state, std::int64_t steps) {
  steps_ = steps;
  if (state.empty() && steps == 0) return;
  allocate();
  const std::map<std::string, at::Tensor> by_name(state.begin(), state.end());
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    for (const auto& [prefix, to] : {std::pair{"exp_avg.", exp_avg_[i]}, std::pair{"exp_avg_sq.", exp_avg_sq_[i]}}) {
      const auto found = by_name.find(prefix + parameters_[i].name);
      if (found == by_name.end() || found->second.sizes() != to.sizes())
        throw Error(ErrorKind::data, "optimizer state does not fit the model: " + std::string(prefix) + parameters_[i].name +
                                         " is missing or has another shape; was the checkpoint made with another model?");
      to.copy_(found->second);
    }
  }
}

}  // namespace grpo
