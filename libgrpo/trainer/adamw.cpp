#include "libgrpo/trainer/adamw.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/tensor/precompiled.hpp"

#include <cmath>
#include <map>
#include <utility>

namespace grpo {

AdamW::AdamW(std::vector<Parameter> parameters, AdamWOptions options)
    : parameters_(std::move(parameters)), options_(options) {}

void AdamW::allocate() {
  if (!exp_avg_.empty()) return;
  const at::NoGradGuard no_grad;
  for (const Parameter& p : parameters_) {
    masters_.push_back(p.tensor.detach().to(at::kFloat));
    exp_avg_.push_back(at::zeros_like(masters_.back()));
    exp_avg_sq_.push_back(at::zeros_like(masters_.back()));
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
  for (const auto& wait : std::exchange(readers_, {})) wait();
  const at::NoGradGuard no_grad;
  allocate();
  ++steps_;
  for (const bool decays : {true, false}) {
    std::vector<at::Tensor> values, grads, averages, squares, counts;
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      const Parameter& p = parameters_[i];
      if (p.decays != decays) continue;
      values.push_back(masters_[i]);
      grads.push_back(p.tensor.grad().defined() ? p.tensor.grad().to(at::kFloat) : at::zeros_like(masters_[i]));
      averages.push_back(exp_avg_[i]);
      squares.push_back(exp_avg_sq_[i]);
      counts.push_back(at::full({}, static_cast<double>(steps_), at::kFloat));
    }
    if (values.empty()) continue;
    at::_fused_adamw_(values, grads, averages, squares, {}, counts, learning_rate, options_.beta1, options_.beta2,
                      decays ? options_.weight_decay : 0.0, options_.epsilon, /*amsgrad=*/false, /*maximize=*/false);
  }
  write_back();
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
      if (found == by_name.end() || found->second.sizes() != to.sizes())
        throw Error(ErrorKind::data, "optimizer state does not fit the model: " + std::string(prefix) + parameters_[i].name +
                                         " is missing or has another shape; was the checkpoint made with another model?");
      to.copy_(found->second);
    }
  }
  write_back();
}

}  // namespace grpo
