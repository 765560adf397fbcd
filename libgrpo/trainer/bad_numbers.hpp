/// Numbers that are not finite: which was the first, in the order in which a step's numbers follow from each other.
#pragma once

#include "libgrpo/objective/objective.hpp"
#include "libgrpo/policy/policy.hpp"
#include "libgrpo/trainer/rollouts.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace grpo {

/// What a step computed with. Tensors [T] f32, undefined where there is none.
struct StepNumbers {
  const std::vector<Parameter>& parameters;  ///< with their gradients; of several ranks: this rank's share
  const Batch& batch;
  const std::vector<Group>& groups;
  at::Tensor ref_log_probs, old_log_probs;
  const Credit& credit;
  std::int64_t bad_token = -1;  ///< whose log-prob was not finite under the policy; -1: none
};

/// Weights, then log-probs of the policy, the sampler and the reference, then credit, then gradients: the first that is not finite, for
/// people: "layers.0.q_proj.weight is nan in row 3 of 64". Empty if all are finite. cost: a pass over weights and gradients
std::string first_bad_number(const StepNumbers& numbers);

/// Of weights alone. cost: a pass over them
std::string first_bad_weight(const std::vector<Parameter>& parameters);

/// Index of the first element that is not finite; -1 if there is none. shape: any float type, contiguous or not
std::int64_t first_not_finite(const at::Tensor& values);

}  // namespace grpo
