#include "libgrpo/trainer/bad_numbers.hpp"

#include "libgrpo/tensor/precompiled.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace grpo {
namespace {

/// "is nan in row 3 of 64", rows counted from 0; empty if all is finite.
std::string show_bad(const at::Tensor& values) {
  const std::int64_t at = first_not_finite(values);
  if (at < 0) return {};
  const double value = values.reshape({-1})[at].item<double>();
  if (values.dim() < 2) return fmt::format("is {} in element {} of {}", value, at, values.numel());
  const std::int64_t rows = values.size(0);
  return fmt::format("is {} in row {} of {}", value, at / (values.numel() / rows), rows);
}

/// "token 5 of completion 2 for rows.jsonl:17"
std::string show_token(const StepNumbers& numbers, std::int64_t token) {
  const auto& first = numbers.batch.first_token();
  const auto completion = std::upper_bound(first.begin(), first.end(), token) - first.begin() - 1;
  const auto& group_of = numbers.batch.group_of();
  const std::int64_t group = group_of[static_cast<std::size_t>(completion)];
  const auto in_group = completion - (std::lower_bound(group_of.begin(), group_of.end(), group) - group_of.begin());
  return fmt::format("token {} of completion {} for {}", token - first[static_cast<std::size_t>(completion)], in_group,
                     numbers.groups[static_cast<std::size_t>(group)].prompt.source);
}

std::string first_bad_gradient(const std::vector<Parameter>& parameters) {
  for (const Parameter& p : parameters)
    if (const std::string bad = p.tensor.grad().defined() ? show_bad(p.tensor.grad()) : ""; !bad.empty())
      return fmt::format("the gradient of {} {}", p.name, bad);
  return {};
}

}  // namespace

std::int64_t first_not_finite(const at::Tensor& values) {
  const at::NoGradGuard no_grad;
  const at::Tensor finite = at::isfinite(values).reshape({-1});
  return finite.all().item<bool>() ? -1 : finite.logical_not().to(at::kByte).argmax().item<std::int64_t>();
}

std::string first_bad_weight(const std::vector<Parameter>& parameters) {
  for (const Parameter& p : parameters)
    if (const std::string bad = show_bad(p.tensor.detach()); !bad.empty()) return fmt::format("{} {}", p.name, bad);
  return {};
}

std::string first_bad_number(const StepNumbers& numbers) {
  if (const std::string bad = first_bad_weight(numbers.parameters); !bad.empty()) return bad;
  if (const std::int64_t at = first_not_finite(numbers.batch.sampler_log_probs()); at >= 0)
    return "the sampler's log-prob is not finite at " + show_token(numbers, at);
  if (numbers.bad_token >= 0) return "the policy's log-prob is not finite at " + show_token(numbers, numbers.bad_token);
  const std::pair<const char*, at::Tensor> of_tokens[] = {{"the old log-prob", numbers.old_log_probs},
                                                          {"the reference's log-prob", numbers.ref_log_probs},
                                                          {"the advantage", numbers.credit.advantages},
                                                          {"the loss's weight", numbers.credit.token_weights},
                                                          {"the entropy's weight", numbers.credit.entropy_weights},
                                                          {"the weight of the linear term", numbers.credit.linear}};
  for (const auto& [name, values] : of_tokens)
    if (const std::int64_t at = values.defined() ? first_not_finite(values) : -1; at >= 0)
      return fmt::format("{} is {} at {}", name, values.reshape({-1})[at].item<double>(), show_token(numbers, at));
  return first_bad_gradient(numbers.parameters);
}

}  // namespace grpo
