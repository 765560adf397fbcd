// Every loss type, at both levels of the ratio, with every option that changes the formula: against the formula written out
// token by token in plain doubles, and against finite differences of itself.
#include "libgrpo/objective/token_loss.hpp"

#include "tests/support/loss_inputs.hpp"
#include "tests/support/tensors.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <functional>

using namespace grpo;
using grpo::testing::loss_input;

namespace {

struct Setting {
  std::string name;
  std::function<void(ObjectiveOptions&, LossInput&)> apply;
};

const std::vector<Setting> kSettings = {
    {"plain", [](ObjectiveOptions&, LossInput& in) { in.sampler_log_probs.reset(); }},
    {"epsilon_high",
     [](ObjectiveOptions& o, LossInput& in) {
       o.epsilon_high = o.loss_type == LossType::cispo ? 1.1 : 0.5;
       in.sampler_log_probs.reset();
     }},
    {"delta",
     [](ObjectiveOptions& o, LossInput& in) {
       o.delta = 1.3;
       in.sampler_log_probs.reset();
     }},
    {"token_truncate",
     [](ObjectiveOptions& o, LossInput&) {
       o.vllm_importance_sampling_mode = SamplerCorrection::token_truncate;
       o.vllm_importance_sampling_clip_max = 1.1;
     }},
    {"token_mask",
     [](ObjectiveOptions& o, LossInput&) {
       o.vllm_importance_sampling_mode = SamplerCorrection::token_mask;
       o.vllm_importance_sampling_clip_max = 1.1;
       o.vllm_importance_sampling_clip_min = 0.8;
     }},
    {"sequence_truncate",
     [](ObjectiveOptions& o, LossInput&) {
       o.vllm_importance_sampling_mode = SamplerCorrection::sequence_truncate;
       o.vllm_importance_sampling_clip_max = 1.2;
     }},
    {"sequence_mask",
     [](ObjectiveOptions& o, LossInput&) {
       o.vllm_importance_sampling_mode = SamplerCorrection::sequence_mask;
       o.vllm_importance_sampling_clip_max = 1.2;
     }},
    {"off_policy_mask",
     [](ObjectiveOptions& o, LossInput& in) {
       o.off_policy_mask_threshold = 0.05;
       in.sampler_log_probs.reset();
     }},
    {"policy_mask",
     [](ObjectiveOptions&, LossInput& in) {
       in.policy_mask = in.scores.entropies.detach().gt(0.8);
       in.sampler_log_probs.reset();
     }},
    {"entropy",
     [](ObjectiveOptions&, LossInput& in) {
       in.entropy_weights = in.token_weights * 0.3;
       in.sampler_log_probs.reset();
     }},
    {"linear",
     [](ObjectiveOptions&, LossInput& in) {
       in.linear = at::randn_like(in.token_weights);
       in.sampler_log_probs.reset();
     }},
};

std::vector<double> list(const at::Tensor& t) {
  const auto flat = t.detach().to(at::kDouble).contiguous();
  return {flat.const_data_ptr<double>(), flat.const_data_ptr<double>() + flat.numel()};
}

/// Sum and mean over the completion of token t.
struct Completions {
  std::vector<std::int64_t> of;
  double sum(const std::vector<double>& x, std::size_t t) const {
    double s = 0.0;
    for (std::size_t u = 0; u < of.size(); ++u) s += of[u] == of[t] ? x[u] : 0.0;
    return s;
  }
  double mean(const std::vector<double>& x, std::size_t t) const {
    return sum(x, t) / static_cast<double>(std::count(of.begin(), of.end(), of[t]));
  }
};

/// The loss written out. The gradient is tested by differences; terms that the formulas hold constant (sg) are taken from
/// `at`, so that differences of this function would see them constant as well.
double by_hand(const ObjectiveOptions& o, double beta, const LossInput& in, const at::Tensor& at_log_probs) {
  const auto lp = list(in.scores.log_probs), sg = list(at_log_probs), old = list(in.old_log_probs), ref = list(in.ref_log_probs),
             a = list(in.advantages), weight = list(in.token_weights), entropy = list(in.scores.entropies);
  const auto sampler = in.sampler_log_probs.defined() ? list(in.sampler_log_probs) : std::vector<double>();
  const Completions c{{in.completion.const_data_ptr<std::int64_t>(), in.completion.const_data_ptr<std::int64_t>() + in.completion.numel()}};
  const std::size_t n = lp.size();
  const bool sequence = o.importance_sampling_level == ImportanceSamplingLevel::sequence;
  std::vector<double> l(n), l_sg(n), d(n), drift(n);
  for (std::size_t t = 0; t < n; ++t) {
    l[t] = lp[t] - old[t];
    l_sg[t] = sg[t] - old[t];
    d[t] = sampler.empty() ? 0.0 : old[t] - sampler[t];
    drift[t] = (sampler.empty() ? old[t] : sampler[t]) - sg[t];
  }
  double total = 0.0;
  for (std::size_t t = 0; t < n; ++t) {
    const double w = std::exp(sequence ? c.mean(l, t) : l[t]), w_sg = std::exp(sequence ? c.mean(l_sg, t) : l_sg[t]);
    const bool by_sequence = o.vllm_importance_sampling_mode == SamplerCorrection::sequence_mask ||
                             o.vllm_importance_sampling_mode == SamplerCorrection::sequence_truncate;
    const bool masks = o.vllm_importance_sampling_mode == SamplerCorrection::sequence_mask ||
                       o.vllm_importance_sampling_mode == SamplerCorrection::token_mask;
    const auto corrected = [&](std::size_t u) {
      if (sampler.empty()) return 1.0;
      const double r = std::exp(by_sequence ? c.sum(d, u) : d[u]);
      const double low = o.vllm_importance_sampling_clip_min.value_or(0.0), high = *o.vllm_importance_sampling_clip_max;
      if (!masks) return std::clamp(r, low, high);
      return r >= low && r <= high ? r : 0.0;
    };
    double term = 0.0;
    switch (o.loss_type) {
      case LossType::cispo: term = -std::min(w_sg, o.epsilon_high.value_or(5.0)) * a[t] * lp[t]; break;
      case LossType::sapo: {
        const double tau = a[t] > 0.0 ? o.sapo_temperature_pos : o.sapo_temperature_neg;
        term = -(4.0 / tau) / (1.0 + std::exp(-tau * (w - 1.0))) * a[t];
        break;
      }
      case LossType::vespo: {
        std::vector<double> logs(n);
        for (std::size_t u = 0; u < n; ++u) logs[u] = l_sg[u] + std::clamp(std::log(corrected(u)), std::log(1e-8), 20.0);
        const double x = std::clamp(c.sum(logs, t), std::log(1e-8), 20.0);
        const double k = a[t] >= 0.0 ? o.vespo_k_pos : o.vespo_k_neg, lambda = a[t] >= 0.0 ? o.vespo_lambda_pos : o.vespo_lambda_neg;
        term = -std::exp(lambda + k * x - lambda * std::exp(x)) * a[t] * lp[t];
        break;
      }
      default: {
        const double clipped = std::clamp(w, 1.0 - o.epsilon, 1.0 + o.epsilon_high.value_or(o.epsilon));
        term = -std::min((o.delta ? std::min(w, *o.delta) : w) * a[t], clipped * a[t]);
      }
    }
    if (o.off_policy_mask_threshold && a[t] < 0.0 && c.mean(drift, t) > *o.off_policy_mask_threshold) term = 0.0;
    if (in.policy_mask.defined() && !in.policy_mask[static_cast<std::int64_t>(t)].item<bool>()) term = 0.0;
    if (o.loss_type != LossType::vespo) term *= corrected(t);
    const double x = ref[t] - lp[t];
    double kl = std::exp(x) - x - 1.0;
    if (o.kl_estimator == KlEstimator::k1) kl = -x;
    if (o.kl_estimator == KlEstimator::k2) kl = x * x / 2.0;
    total += weight[t] * (term + beta * (o.use_bias_correction_kl ? w * kl : kl));
    if (in.entropy_weights.defined()) total -= in.entropy_weights[static_cast<std::int64_t>(t)].item<double>() * entropy[t];
    if (in.linear.defined()) total += in.linear[static_cast<std::int64_t>(t)].item<double>() * (lp[t] - sg[t]);
  }
  return total;
}

LossInput with_log_probs(LossInput in, const at::Tensor& log_probs) {
  in.scores.log_probs = log_probs;
  return in;
}

const std::vector<LossType> kLossTypes = {LossType::grpo,  LossType::bnpo, LossType::dr_grpo, LossType::dapo,
                                          LossType::cispo, LossType::sapo, LossType::luspo,   LossType::vespo};

/// The combination's value against the formula, its gradient against differences of the formula.
void check(const ObjectiveOptions& o, double beta, const LossInput& input) {
  const TokenLoss loss(o);
  const auto x = input.scores.log_probs.detach().clone();
  auto leaf = x.clone().requires_grad_(true);
  auto entropies = input.scores.entropies.detach().clone().requires_grad_(true);
  LossInput in = with_log_probs(input, leaf);
  in.scores.entropies = entropies;
  const auto total = loss(in, beta).total;
  CHECK(total.item<double>() == Approx(by_hand(o, beta, with_log_probs(input, x), x)).epsilon(1e-12));
  total.backward();
  const double h = 1e-6;
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    auto up = x.clone(), down = x.clone();
    up[i] += h;
    down[i] -= h;
    const double slope = (by_hand(o, beta, with_log_probs(input, up), x) - by_hand(o, beta, with_log_probs(input, down), x)) / (2 * h);
    CHECK(leaf.grad()[i].item<double>() == Approx(slope).epsilon(1e-6).margin(1e-9));
  }
  if (input.entropy_weights.defined()) CHECK(at::equal(entropies.grad(), -input.entropy_weights));
}

}  // namespace

TEST_CASE("every loss equals its formula and passes finite differences, whatever is switched on") {
  for (const LossType type : kLossTypes)
    for (const auto level : {ImportanceSamplingLevel::token, ImportanceSamplingLevel::sequence})
      for (const Setting& setting : kSettings) {
        ObjectiveOptions o;
        o.loss_type = type;
        o.importance_sampling_level = level;
        LossInput in = loss_input();
        setting.apply(o, in);
        INFO("loss type " << static_cast<int>(type) << ", level " << static_cast<int>(level) << ", " << setting.name);
        check(o, 0.0, in);
      }
}

TEST_CASE("every KL estimator, bias-corrected or not, at both levels, equals its formula and passes finite differences") {
  for (const auto estimator : {KlEstimator::k1, KlEstimator::k2, KlEstimator::k3})
    for (const bool corrected : {true, false})
      for (const auto level : {ImportanceSamplingLevel::token, ImportanceSamplingLevel::sequence})
        for (const LossType type : {LossType::dapo, LossType::cispo, LossType::vespo}) {
          ObjectiveOptions o;
          o.loss_type = type;
          o.importance_sampling_level = level;
          o.kl_estimator = estimator;
          o.use_bias_correction_kl = corrected;
          INFO("estimator " << static_cast<int>(estimator) << ", corrected " << corrected << ", level " << static_cast<int>(level));
          check(o, 0.1, loss_input());
        }
}

TEST_CASE("at ratio 1 every loss has the gradient of REINFORCE") {
  for (const LossType type : kLossTypes)
    for (const auto level : {ImportanceSamplingLevel::token, ImportanceSamplingLevel::sequence}) {
      ObjectiveOptions o;
      o.loss_type = type;
      o.importance_sampling_level = level;
      LossInput in = loss_input();
      in.sampler_log_probs.reset();
      // With sequence ratios the gradient of a token is the completion's mean weight; alike weights make the two levels one.
      in.token_weights = at::full_like(in.token_weights, 0.1);
      auto leaf = in.old_log_probs.clone().requires_grad_(true);
      in.scores.log_probs = leaf;
      const TokenLoss loss(o);
      loss(in, 0.0).total.backward();
      INFO("loss type " << static_cast<int>(type));
      CHECK(grpo::testing::max_abs_difference(leaf.grad(), -in.advantages * in.token_weights) < 1e-12);
    }
}

TEST_CASE("without old log-probs the policy is the one that sampled") {
  for (const LossType type : kLossTypes) {
    ObjectiveOptions o;
    o.loss_type = type;
    LossInput in = loss_input();
    LossInput same = in;
    same.old_log_probs = in.scores.log_probs.clone();
    auto a = in.scores.log_probs.clone().requires_grad_(true), b = a.detach().clone().requires_grad_(true);
    in.scores.log_probs = a;
    in.old_log_probs.reset();
    same.scores.log_probs = b;
    const auto one = TokenLoss(o)(in, 0.1).total, other = TokenLoss(o)(same, 0.1).total;
    one.backward();
    other.backward();
    CHECK(one.item<double>() == other.item<double>());
    CHECK(at::equal(a.grad(), b.grad()));
  }
}

TEST_CASE("extreme log-probs give a finite loss and gradient for every loss") {
  for (const LossType type : kLossTypes)
    for (const auto level : {ImportanceSamplingLevel::token, ImportanceSamplingLevel::sequence}) {
      ObjectiveOptions o;
      o.loss_type = type;
      o.importance_sampling_level = level;
      o.off_policy_mask_threshold = 0.1;
      LossInput in = loss_input();
      const auto n = in.completion.numel();
      in.old_log_probs =
          at::where(at::arange(n).remainder(2).eq(0), at::full({n}, -1000.0, at::kDouble), at::full({n}, -1e-3, at::kDouble));
      in.ref_log_probs = in.old_log_probs.flip(0);
      in.sampler_log_probs = at::full({n}, -500.0, at::kDouble);
      in.sampler_log_probs[3] = std::nan("");
      auto leaf = (-1000.0 - in.old_log_probs).detach().requires_grad_(true);
      in.scores.log_probs = leaf;
      const auto loss = TokenLoss(o)(in, 0.1).total;
      loss.backward();
      INFO("loss type " << static_cast<int>(type) << ", level " << static_cast<int>(level));
      CHECK(std::isfinite(loss.item<double>()));
      CHECK(leaf.grad().isfinite().all().item<bool>());
    }
}

TEST_CASE("far from the reference, k3 still pulls towards it") {
  auto lp = at::tensor({-60.0}, at::kDouble).requires_grad_(true);
  kl_estimate(KlEstimator::k3, lp, at::tensor({-1.0}, at::kDouble)).sum().backward();
  CHECK(lp.grad()[0].item<double>() < 0.0);
}

TEST_CASE("clip metrics count tokens whose gradient the clip removes") {
  LossInput in;
  in.completion = at::tensor({0, 1, 2}, at::kLong);
  in.completions = 3;
  in.old_log_probs = at::zeros({3}, at::kDouble);
  in.scores.log_probs = at::tensor({0.5, -0.5, 0.5}, at::kDouble);
  in.advantages = at::tensor({1.0, -1.0, -1.0}, at::kDouble);
  in.token_weights = at::ones({3}, at::kDouble);
  const auto means = TokenLoss(ObjectiveOptions())(in, 0.0).meters.means();
  CHECK(means.at("clip_ratio/high_mean") == Approx(1.0 / 3));
  CHECK(means.at("clip_ratio/low_mean") == Approx(1.0 / 3));
  CHECK(means.at("clip_ratio/region_mean") == Approx(2.0 / 3));
}
