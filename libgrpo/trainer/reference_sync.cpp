#include "libgrpo/trainer/reference_sync.hpp"

#include "libgrpo/base/check.hpp"
#include "libgrpo/tensor/precompiled.hpp"

namespace grpo {

ReferenceSync::ReferenceSync(std::vector<Parameter> policy, std::vector<Parameter> reference, ReferenceSchedule schedule)
    : policy_(std::move(policy)), reference_(std::move(reference)), schedule_(schedule) {
  GRPO_CHECK_EQ(policy_.size(), reference_.size(), "policy and reference are the same kind of model");
  for (std::size_t i = 0; i < policy_.size(); ++i)
    GRPO_CHECK(policy_[i].name == reference_[i].name && policy_[i].tensor.sizes() == reference_[i].tensor.sizes(),
               "policy and reference have the same parameters; " + policy_[i].name + " differs");
  GRPO_CHECK(schedule.every >= 1 && schedule.alpha >= 0.0 && schedule.alpha <= 1.0, "alpha is a share");
}

bool ReferenceSync::after_step(std::int64_t step) {
  if (step % schedule_.every != 0 || step < schedule_.first_step) return false;
  const at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < policy_.size(); ++i)
    reference_[i].tensor.detach().mul_(1.0 - schedule_.alpha).add_(policy_[i].tensor.detach(), schedule_.alpha);
  return true;
}

}  // namespace grpo
