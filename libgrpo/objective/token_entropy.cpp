#include "libgrpo/objective/token_entropy.hpp"

#include "libgrpo/objective/normaliser.hpp"
#include "libgrpo/tensor/precompiled.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

namespace grpo {

TokenEntropy::TokenEntropy(const ObjectiveOptions& options, const MaxentOptions& maxent, const ObjectiveContext& context)
    : options_(options), maxent_(maxent), context_(context), grpo_(options, context) {}

double TokenEntropy::multiplier() const {
  if (!kl_) return 1.0;
  const double c = maxent_.maxent_alpha_kl_threshold, g = maxent_.maxent_alpha_kl_gain;
  if (maxent_.maxent_alpha_disable_outside_trust_zone && !(*kl_ <= c)) return 0.0;  // NaN is outside as well
  if (!std::isfinite(*kl_)) return 1.0;
  double m = 1.0;
  if (*kl_ < c && maxent_.maxent_alpha_raise_on_low_kl) m = 1.0 + g * (c - *kl_) / c;
  if (*kl_ > c && maxent_.maxent_alpha_lower_on_high_kl) m = 1.0 / (1.0 + g * (*kl_ - c) / c);
  return std::clamp(m, maxent_.maxent_alpha_kl_min_multiplier, maxent_.maxent_alpha_kl_max_multiplier);
}

Credit TokenEntropy::credit(const CreditInput& in) const {
  Credit credit = grpo_.credit(in);
  const double alpha = maxent_.maxent_alpha * multiplier();
  credit.metrics["maxent/alpha"] = alpha;
  if (alpha == 0.0) return credit;
  const bool by_completion = options_.loss_type == LossType::grpo || options_.loss_type == LossType::dr_grpo;
  const Counted all = counted(in, std::vector<double>(static_cast<std::size_t>(in.batch.num_groups()), 1.0), options_);
  const auto mean = token_weights(by_completion ? LossType::grpo : LossType::bnpo, in, all, context_.max_completion_length);
  const auto bonus = mean * (alpha / std::log(static_cast<double>(context_.vocab_size)));
  credit.entropy_weights = credit.entropy_weights.defined() ? credit.entropy_weights + bonus : bonus;
  for (std::size_t i = 0; i < credit.active.size(); ++i) credit.active[i] = credit.active[i] || (in.trains(i) && all.tokens[i]);
  return credit;
}

void TokenEntropy::observe(const std::map<std::string, double>& metrics) {
  grpo_.observe(metrics);
  if (const auto kl = metrics.find("kl"); kl != metrics.end()) kl_ = kl->second;
}

std::string TokenEntropy::state() const {
  nlohmann::ordered_json json = {{"grpo", nlohmann::ordered_json::parse(grpo_.state())}};
  if (kl_) json["kl"] = std::isfinite(*kl_) ? nlohmann::ordered_json(*kl_) : nlohmann::ordered_json("nan");
  return json.dump();
}

void TokenEntropy::restore(const std::string& state) {
  const auto json = nlohmann::json::parse(state);
  if (json.contains("grpo")) grpo_.restore(json["grpo"].dump());
  kl_.reset();
  if (json.contains("kl")) kl_ = json["kl"].is_number() ? json["kl"].get<double>() : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace grpo
