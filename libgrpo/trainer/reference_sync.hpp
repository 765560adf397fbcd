/// A reference model that follows the policy:  reference <- alpha policy + (1 - alpha) reference, every so many steps.
///
/// alpha near 1 now and then is TRL's sync_ref_model (Gorbatovski et al. 2024, "Learn your reference model", section 3); a small
/// alpha every few steps is an exponential moving average (alpha = 1 - decay).
#pragma once

#include "libgrpo/policy/policy.hpp"

#include <cstdint>
#include <vector>

namespace grpo {

struct ReferenceSchedule {
  double alpha = 0.6;
  std::int64_t every = 512;     ///< optimizer steps
  std::int64_t first_step = 0;  ///< not before this step
};

class ReferenceSync {
 public:
  /// Parameters of both in the same order; the reference's storage is updated in place.
  /// throws: Error{contract} if they differ in number, name or shape
  ReferenceSync(std::vector<Parameter> policy, std::vector<Parameter> reference, ReferenceSchedule schedule);

  /// To be called after every optimizer step, 1 being the first. Returns whether the reference moved. cost: memory-bound
  bool after_step(std::int64_t step);

 private:
  std::vector<Parameter> policy_, reference_;
  ReferenceSchedule schedule_;
};

}  // namespace grpo
