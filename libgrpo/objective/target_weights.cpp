#include "libgrpo/objective/target_weights.hpp"

#include "libgrpo/base/check.hpp"

#include <algorithm>
#include <cmath>

namespace grpo {
namespace {

/// All of the weight on the largest values, equally.
std::vector<double> argmax_set(const std::vector<double>& x) {
  const double top = *std::max_element(x.begin(), x.end());
  const auto count = static_cast<double>(std::count(x.begin(), x.end(), top));
  std::vector<double> w;
  for (const double v : x) w.push_back(v == top ? 1.0 / count : 0.0);
  return w;
}

}  // namespace

std::vector<double> tempered_softmax(const std::vector<double>& x, double temperature) {
  if (x.empty()) return {};
  if (temperature == 0.0) return argmax_set(x);
  if (std::isinf(temperature)) return std::vector<double>(x.size(), 1.0 / static_cast<double>(x.size()));
  const double top = *std::max_element(x.begin(), x.end());
  std::vector<double> scaled;
  for (const double v : x) scaled.push_back((v - top) / temperature);  // the difference first: a tiny temperature must not overflow
  return softmax(scaled);
}

std::vector<double> softmax(const std::vector<double>& x) {
  if (x.empty()) return {};
  const double top = *std::max_element(x.begin(), x.end());
  std::vector<double> p;
  double sum = 0.0;
  for (const double v : x) {
    p.push_back(std::isfinite(top) ? std::exp(v - top) : 1.0);
    sum += p.back();
  }
  for (double& v : p) v /= sum;
  return p;
}

double entropy(const std::vector<double>& p) {
  double h = 0.0;
  for (const double v : p)
    if (v > 0.0) h -= v * std::log(v);
  return h;
}

std::vector<double> reward_distribution(const std::vector<double>& rewards, double temperature, double epsilon) {
  const auto size = static_cast<double>(rewards.size());
  GRPO_CHECK(temperature > 0.0, "rewards become probabilities by a temperature above 0");
  GRPO_CHECK(epsilon >= 0.0 && epsilon * size <= 1.0, "the floor of q is at most 1 / group size");
  std::vector<double> scaled;
  for (const double r : rewards) scaled.push_back(r / temperature);
  auto q = softmax(scaled);
  for (double& v : q) v = (1.0 - epsilon * size) * v + epsilon;
  return q;
}

std::vector<double> target_weights(const std::vector<double>& q, const std::vector<double>& ref_log_probs, const TargetTemperature& t) {
  GRPO_CHECK(t.tau >= 0.0 && t.beta >= 0.0 && std::isfinite(t.beta), "tau and beta are not negative");
  GRPO_CHECK(t.beta == 0.0 || ref_log_probs.size() == q.size(), "beta > 0 needs the reference's log-probs");
  if (q.empty()) return {};
  std::vector<double> scores;
  for (std::size_t i = 0; i < q.size(); ++i) scores.push_back(std::log(q[i]) + (t.beta > 0.0 ? t.beta * ref_log_probs[i] : 0.0));
  return tempered_softmax(scores, t.tau_only_denominator ? t.tau : t.tau + t.beta);
}

}  // namespace grpo
