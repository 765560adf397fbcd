#include "libgrpo/objective/maxent.hpp"

#include "libgrpo/base/check.hpp"
#include "libgrpo/objective/advantages.hpp"
#include "libgrpo/objective/grpo.hpp"
#include "libgrpo/objective/normaliser.hpp"
#include "libgrpo/objective/target_weights.hpp"
#include "libgrpo/tensor/completion_sums.hpp"
#include "libgrpo/tensor/precompiled.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

namespace grpo {
namespace {

const double kNaN = std::numeric_limits<double>::quiet_NaN();

/// Sum, or mean per token, of each completion. shape: [T] -> [N]
std::vector<double> per_completion(const at::Tensor& log_probs, const Batch& batch, bool mean) {
  const auto sums = completion_sums(log_probs.to(at::kDouble), batch.completion_of(), batch.num_completions());
  std::vector<double> values(sums.const_data_ptr<double>(), sums.const_data_ptr<double>() + sums.numel());
  if (mean)
    for (std::size_t i = 0; i < values.size(); ++i) values[i] /= static_cast<double>(batch.length(static_cast<std::int64_t>(i)));
  return values;
}

double mean(const std::vector<double>& values) {
  double sum = 0.0;
  for (const double v : values) sum += v;
  return values.empty() ? kNaN : sum / static_cast<double>(values.size());
}

/// The clip range of the surrogate that MaxEnt-GRPO may add (maxent_clip.hpp) is maxent_clip_range, if that is set.
ObjectiveOptions with_clip_range(ObjectiveOptions options, const MaxentOptions& maxent) {
  if (!maxent.maxent_clip_range) return options;
  options.epsilon = *maxent.maxent_clip_range;
  options.epsilon_high.reset();
  return options;
}

std::vector<double> pick(const std::vector<double>& values, const std::vector<std::size_t>& members) {
  std::vector<double> picked;
  for (const std::size_t i : members) picked.push_back(values[i]);
  return picked;
}

bool all_equal(const std::vector<double>& values) {
  return std::all_of(values.begin(), values.end(), [&](double v) { return v == values.front(); });
}

}  // namespace

Maxent::Maxent(const ObjectiveOptions& options, const MaxentOptions& maxent, const ObjectiveContext& context)
    : options_(options),
      maxent_(maxent),
      context_(context),
      token_loss_(with_clip_range(options, maxent)),
      tau_(maxent, context.num_generations, context.warmup_steps),
      kl_(make_kl_controller(options)) {}

Targets Maxent::targets(const CreditInput& in) const {
  const auto rewards = total_rewards(in.rewards);
  GRPO_CHECK_EQ(static_cast<std::int64_t>(rewards.size()), in.batch.num_completions(), "one reward per completion");
  std::vector<double> reference;
  if (beta() > 0.0) {
    GRPO_CHECK(in.ref_log_probs.defined(), "beta > 0 needs reference log-probs");
    reference = per_completion(in.ref_log_probs, in.batch, maxent_.maxent_length_normalize_ref);
  }
  Targets result;
  result.weights.assign(rewards.size(), 0.0);
  std::vector<double> entropies, normalised, q_entropies;
  const auto groups = groups_of_step(in, rewards, options_);
  result.groups_in_step = groups.size();
  for (const auto& members : groups) {
    const auto r = pick(rewards, members);
    if (r.size() < 2 || (maxent_.maxent_listwise_skip_zero_variance_groups && all_equal(r))) continue;
    const auto q = reward_distribution(r, maxent_.maxent_q_temperature, maxent_.maxent_q_epsilon);
    const auto ref = reference.empty() ? reference : pick(reference, members);
    const auto w = target_weights(q, ref, {tau(), beta(), maxent_.maxent_tau_only_denominator});
    for (std::size_t i = 0; i < members.size(); ++i) result.weights[members[i]] = w[i];
    entropies.push_back(entropy(w));
    normalised.push_back(entropies.back() / std::log(static_cast<double>(members.size())));
    q_entropies.push_back(entropy(q));
    result.groups.push_back({members, w});
  }
  const auto active = static_cast<double>(result.groups.size());
  result.metrics = {
      {"tau", tau()}, {"beta", beta()}, {"maxent/active_group_frac", active / std::max(static_cast<double>(groups.size()), 1.0)}};
  if (tau_.target()) result.metrics["tau_target_entropy"] = *tau_.target();
  if (entropies.empty()) return result;
  result.metrics["weight_entropy"] = mean(entropies);
  result.metrics["weight_entropy_norm"] = mean(normalised);
  result.metrics["q_entropy_mean"] = mean(q_entropies);
  return result;
}

std::vector<double> Maxent::sequence_log_probs(const CreditInput& in) const {
  GRPO_CHECK(in.log_probs.defined(), "listwise objectives need the policy's current log-probs");
  return per_completion(in.log_probs, in.batch, maxent_.maxent_length_normalize_policy);
}

Credit Maxent::start(const CreditInput& in, const Targets& targets) const {
  Credit credit;
  credit.coefficients = targets.weights;
  credit.active.assign(targets.weights.size(), false);
  for (const auto& group : targets.groups)
    for (const std::size_t i : group.members) credit.active[i] = true;
  const auto rewards = total_rewards(in.rewards);
  credit.metrics = reward_metrics(rewards, estimate_advantages(rewards, in.batch.group_of(), {}).group_std, in);
  credit.metrics.insert(targets.metrics.begin(), targets.metrics.end());
  return credit;
}

void Maxent::add_linear(Credit& credit, const CreditInput& in, const std::vector<double>& gradient, double value) const {
  std::vector<double> per_token = gradient;
  for (std::size_t i = 0; maxent_.maxent_length_normalize_policy && i < per_token.size(); ++i)
    per_token[i] /= static_cast<double>(in.batch.length(static_cast<std::int64_t>(i)));
  const auto linear = at_tokens(per_token, in.batch);
  credit.linear = credit.linear.defined() ? credit.linear + linear : linear;
  credit.constant += value;
}

void Maxent::observe(const std::map<std::string, double>& metrics) {
  const auto value = [&](const char* name) {
    const auto found = metrics.find(name);
    return found == metrics.end() ? kNaN : found->second;
  };
  kl_.observe(value("kl"));
  tau_.observe(value("weight_entropy"));
}

std::string Maxent::state() const {
  const TauState& t = tau_.state();
  nlohmann::ordered_json json = {{"beta", kl_.beta()}, {"tau", t.tau}, {"step", t.step}};
  if (std::isinf(t.tau)) json["tau"] = "inf";  // JSON has no infinity
  if (t.entropy_ema) json["tau_entropy_ema"] = *t.entropy_ema;
  return json.dump();
}

void Maxent::restore(const std::string& state) {
  const auto json = nlohmann::json::parse(state);
  if (options_.controls_beta()) kl_.set_beta(json.value("beta", kl_.beta()));
  TauState t = tau_.state();
  t.step = json.value("step", t.step);
  const bool moves = tau_.target().has_value() || maxent_.maxent_tau_final.has_value();
  if (moves && json.contains("tau") && json["tau"].is_number()) t.tau = json["tau"].get<double>();
  if (json.contains("tau_entropy_ema")) t.entropy_ema = json["tau_entropy_ema"].get<double>();
  tau_.restore(t);
}

}  // namespace grpo
