/// The target distribution of MaxEnt-GRPO over the completions of one group, in double precision, without tensors.
///
///     q_i = (1 - epsilon G) softmax(r / T_q)_i + epsilon
///     w_i proportional to q_i^(1/D) pi_ref_i^(beta/D),   D = tau + beta    (or D = tau)
///
/// w maximises <w, log q> + tau H(w) - beta KL(w || pi_ref) over distributions on the group; pi_ref_i is the reference's
/// probability of the completion (its geometric mean per token with length normalisation). beta tilts w towards what the
/// reference finds likely: it is not a trust region of the policy. Limits: D = 0 puts w on the best completions alone, equally
/// on ties; tau = infinity makes w uniform; beta -> infinity makes w the reference's own distribution over the group. T_q and
/// D act as a product where beta = 0 (epsilon aside): T_q D is the temperature of the rewards.
///
/// Source: the MaxEnt-GRPO objective of maxent-grpo, November 2025 (D = tau + beta) and March 2026 (D = tau).
#pragma once

#include <vector>

namespace grpo {

/// q of one group. shape: [G] -> [G]   throws: Error{contract} unless temperature > 0 and 0 <= epsilon G <= 1
std::vector<double> reward_distribution(const std::vector<double>& rewards, double temperature, double epsilon);

struct TargetTemperature {
  double tau = 0.2;  ///< may be infinite
  double beta = 0.0;
  bool tau_only_denominator = false;
};

/// w of one group; sums to 1. `ref_log_probs` [G] in nats, per completion; may be empty if beta is 0.
/// throws: Error{contract} on negative or NaN temperatures, or if beta > 0 and ref_log_probs is missing
std::vector<double> target_weights(const std::vector<double>& q, const std::vector<double>& ref_log_probs,
                                   const TargetTemperature& temperature);

/// softmax(x / temperature) with its limits: 0 puts all on the largest values, equally on ties; infinity is uniform.
std::vector<double> tempered_softmax(const std::vector<double>& x, double temperature);

/// softmax, stable; with all of x -inf or empty it is uniform. shape: [n] -> [n]
std::vector<double> softmax(const std::vector<double>& x);

/// -sum p log p, nats; 0 log 0 = 0.
double entropy(const std::vector<double>& p);

}  // namespace grpo
