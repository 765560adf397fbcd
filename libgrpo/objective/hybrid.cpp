#include "libgrpo/objective/hybrid.hpp"

#include "libgrpo/tensor/precompiled.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace grpo {

Hybrid::Hybrid(const ObjectiveOptions& options, const MaxentOptions& maxent, const ObjectiveContext& context)
    : Listwise(options, maxent, context), grpo_(options, context) {}

double Hybrid::coefficient() const {
  if (!maxent_.maxent_hybrid_coef_final) return maxent_.maxent_hybrid_coef;
  const double share = static_cast<double>(step_) / static_cast<double>(std::max<std::int64_t>(maxent_.maxent_hybrid_horizon, 1));
  return maxent_.maxent_hybrid_coef + (*maxent_.maxent_hybrid_coef_final - maxent_.maxent_hybrid_coef) * std::min(share, 1.0);
}

Credit Hybrid::credit(const CreditInput& in) const {
  Credit credit = grpo_.credit(in);
  const Targets target = targets(in);
  const Credit listwise = start(in, target);
  add_cross_entropy(credit, in, target, coefficient() / std::max(static_cast<double>(target.groups_in_step), 1.0));
  for (std::size_t i = 0; i < credit.active.size(); ++i) credit.active[i] = credit.active[i] || listwise.active[i];
  credit.metrics.insert(target.metrics.begin(), target.metrics.end());
  credit.metrics["maxent/hybrid_coef"] = coefficient();
  return credit;
}

void Hybrid::observe(const std::map<std::string, double>& metrics) {
  ++step_;
  grpo_.observe(metrics);
  Listwise::observe(metrics);
}

std::string Hybrid::state() const {
  return nlohmann::ordered_json{{"step", step_},
                                {"grpo", nlohmann::ordered_json::parse(grpo_.state())},
                                {"listwise", nlohmann::ordered_json::parse(Listwise::state())}}
      .dump();
}

void Hybrid::restore(const std::string& state) {
  const auto json = nlohmann::json::parse(state);
  step_ = json.value("step", step_);
  if (json.contains("grpo")) grpo_.restore(json["grpo"].dump());
  if (json.contains("listwise")) Listwise::restore(json["listwise"].dump());
}

}  // namespace grpo
